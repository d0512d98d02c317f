const charts = JSON.parse(document.getElementById("charts").textContent);
const options = {
  mode: "vega-lite",
  renderer: "svg",
  actions: { export: true, source: false, compiled: false, editor: false },
};
for (const element of document.querySelectorAll("[data-chart]")) {
  vegaEmbed(element, charts[element.dataset.chart], options).catch((error) => {
    element.textContent = `This chart could not be drawn: ${error.message}`;
  });
}
