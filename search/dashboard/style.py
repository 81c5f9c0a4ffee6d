"""What is added to the looks of optuna-dashboard's pages: room for plots on a narrow screen."""

from __future__ import annotations

STYLE = """<style>
@media (max-width: 900px) {
  .MuiGrid-root > [class*="MuiGrid-grid-xs-"] { flex-basis: 100%; max-width: 100%; width: 100%; }
  main { min-width: 0; }
  .MuiTypography-root, .MuiCardContent-root { overflow-wrap: break-word; }
  .MuiCardContent-root:has(table) { overflow-x: auto; }
}
.MuiCard-root:has(> button input[type="file"]) { display: none; }
</style>"""
"""Two columns become one; a file cannot be uploaded, so nothing offers that."""
