"use strict";
// One after another, so that the text can be read and scrolled from the first moment.
const waiting = [...document.querySelectorAll("script[data-plot]")];
const config = { responsive: true, displaylogo: false };
function drawNext() {
  const script = waiting.shift();
  if (!script) {
    document.body.dataset.drawn = "all";
    return;
  }
  const figure = JSON.parse(script.textContent);
  const place = document.getElementById(script.dataset.plot);
  Plotly.newPlot(place, figure.data, figure.layout, config).then(() => setTimeout(drawNext));
}
drawNext();
