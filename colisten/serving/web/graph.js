// An item in the middle, its neighbours around it: one sector a relation and type, the wider the line the stronger.
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#1b6ca8", "#d9822b", "#4c956c", "#8e5aa8", "#b3261e", "#6b705c"];
const WIDE = { radius: 170, letters: 30, viewBox: "-360 -300 720 600" };
const NARROW = { radius: 95, letters: 14, viewBox: "-215 -190 430 380" };
const VERTICAL = 0.3; // cosine of the angle below which labels would lie on each other

function shape(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const why = (item) => item.listeners === null ? item.relation.replaceAll("_", " ") : `${item.listeners} listeners of both`;
const group = (item) => `${item.item_type}, ${item.relation.replaceAll("_", " ")}`;
const named = (item) => item.title ?? item.item_id;
const short = (text, letters) => (text.length > letters ? `${text.slice(0, letters - 1)}…` : text);

function spoke(item, place, angle, size, strongest, colour, choose) {
  const [x, y] = [Math.cos(angle), Math.sin(angle)];
  const share = item.weight / strongest;
  const radius = size.radius + 14 + (Math.abs(x) < VERTICAL ? 18 * (place % 3) : 0);
  const label = shape("text", {
    x: radius * x, y: radius * y + 4, "text-anchor": x < -0.2 ? "end" : x > 0.2 ? "start" : "middle",
  }, short(named(item), size.letters));
  const made = shape("g", {},
    shape("title", {}, `${named(item)}: ${why(item)}, weight ${item.weight}`),
    shape("line", { x1: 0, y1: 0, x2: size.radius * x, y2: size.radius * y, stroke: colour, "stroke-width": 1 + 7 * share, "stroke-opacity": 0.35 + 0.5 * share }),
    shape("circle", { cx: size.radius * x, cy: size.radius * y, r: 7, fill: colour }), label);
  made.addEventListener("click", () => choose(item.item_id));
  return made;
}

export function draw(svg, legend, found, choose, narrow) {
  const size = narrow ? NARROW : WIDE;
  svg.setAttribute("viewBox", size.viewBox);
  const near = found.neighbours;
  const groups = found.groups.map(group);
  const strongest = (item) => Math.max(...near.filter((other) => group(other) === group(item)).map((other) => other.weight));
  const colour = (item) => COLOURS[groups.indexOf(group(item)) % COLOURS.length];
  const spokes = near.map((item, i) =>
    spoke(item, i, (2 * Math.PI * i) / near.length - Math.PI / 2, size, strongest(item), colour(item), choose));
  const middle = shape("circle", { r: 12, fill: "currentColor" });
  svg.replaceChildren(...spokes, middle, shape("text", { class: "middle", y: size.radius + 85 }, short(named(found.item), 2 * size.letters)));
  legend.replaceChildren(...groups.map((name, i) => {
    const mark = document.createElement("span");
    mark.textContent = `● ${name}: ${found.groups[i].degree} neighbours`;
    mark.style.color = COLOURS[i % COLOURS.length];
    return mark;
  }));
}
