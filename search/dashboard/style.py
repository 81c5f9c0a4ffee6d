"""What is added to the looks of optuna-dashboard's pages: room for plots on a narrow screen."""

from __future__ import annotations

STYLE = """<style>
@media (max-width: 900px) {
  .MuiGrid-root > [class*="MuiGrid-grid-xs-"] { flex-basis: 100%; max-width: 100%; width: 100%; }
  main { min-width: 0; }
  .MuiTypography-root, .MuiCardContent-root { overflow-wrap: break-word; }
  main .MuiBox-root:has(> .MuiDivider-vertical) { flex-direction: column; }
  main .MuiBox-root:has(> .MuiDivider-vertical) > .MuiBox-root { width: 100%; min-width: 0; flex: none; }
  main .MuiBox-root:has(> .MuiDivider-vertical) > .MuiBox-root:has(> .MuiList-root) { max-height: 200px; }
  .MuiCardContent-root:has(table) { overflow-x: auto; }
}
.MuiAppBar-root .MuiToolbar-root { padding-right: 104px; }
.MuiCard-root:has(> button input[type="file"]) { display: none; }
</style>"""
"""A long name ends before the link in the bar. On a phone two columns become one, and the list of trials stands above
the trial. Nothing offers to upload a file."""
