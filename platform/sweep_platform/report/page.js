const charts = JSON.parse(document.getElementById("charts").textContent);
const options = {
  mode: "vega-lite",
  renderer: "svg",
  actions: { export: true, source: false, compiled: false, editor: false },
};

// Lines in lines of so many letters.
function broken(lines, letters) {
  const found = [];
  for (const line of lines) {
    found.push("");
    for (const word of line.split(" ")) {
      const longer = `${found[found.length - 1]} ${word}`.trim();
      if (longer.length <= letters) found[found.length - 1] = longer;
      else found.push(word);
    }
  }
  return found;
}

// A phone shows no more letters of a title, or entries of a legend, than these side by side.
function narrowed(spec) {
  const { text, subtitle } = spec.title;
  const lines = text.expr ? { expr: `split(${text.expr}, ", ")` } : broken([text], 36);
  spec.title = { ...spec.title, text: lines, subtitle: broken(subtitle, 48) };
  spec.config.legend = { ...spec.config.legend, columns: 1 };
  if (spec.columns) spec.columns = 1;
  return spec;
}

const phone = window.matchMedia("(max-width: 600px)").matches;
for (const element of document.querySelectorAll("[data-chart]")) {
  const spec = charts[element.dataset.chart];
  vegaEmbed(element, phone ? narrowed(spec) : spec, options).catch((error) => {
    element.textContent = `This chart could not be drawn: ${error.message}`;
  });
}
