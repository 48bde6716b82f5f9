// The image to share: streak and year as SVG, without the learner's name.

import { amounts } from "./panels.js";
import { intensities, monthStarts, WEEKS, yearSquares } from "./pictures.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const COLOURS = ["#e7e4db", "#bfe0d6", "#7fc3b4", "#2f9486", "#0b5d57"];
const [WIDTH, HEIGHT, MARGIN] = [1200, 630, 72];

/** Return the image as an SVG document. Texts are set as text, so nothing in them can be markup. */
export function shareImage(words, view, year) {
  const streak = view.study_streak;
  const root = document.createElementNS(NAMESPACE, "svg");
  const add = (name, attributes, text) => {
    const element = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    root.append(element);
  };
  const font = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif";
  for (const [key, value] of Object.entries({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "font-family": font })) {
    root.setAttribute(key, value);
  }
  root.setAttribute("role", "img");
  add("title", {}, words.t("share.title", { days: words.t("days", { n: streak.current_streak }) }));
  add("rect", { width: WIDTH, height: HEIGHT, fill: "#fbfaf6" });
  add("rect", { width: WIDTH, height: 12, fill: "#0b5d57" });
  add("text", { x: MARGIN, y: 230, "font-size": 168, "font-weight": 750, fill: "#1b2326", "letter-spacing": -6 }, words.number(streak.current_streak));
  // A digit of this size is about 112 pixels wide.
  const beside = MARGIN + 36 + 112 * words.number(streak.current_streak).length;
  add("text", { x: beside, y: 176, "font-size": 44, "font-weight": 650, fill: "#b3400f" }, words.t("share.unit", { n: streak.current_streak }));
  add("text", { x: beside, y: 228, "font-size": 30, fill: "#566065" }, words.t("streak.longest", { days: words.t("days", { n: streak.longest_streak }) }));
  const pitch = (WIDTH - 2 * MARGIN) / WEEKS;
  const level = intensities(new Set(streak.calendar), amounts(view, year));
  const squares = yearSquares(streak.today);
  for (const [week, day] of monthStarts(squares)) {
    add("text", { x: MARGIN + week * pitch, y: 322, "font-size": 18, fill: "#566065" }, words.day(day, { month: "short" }));
  }
  for (const { day, week, row } of squares) {
    add("rect", {
      x: (MARGIN + week * pitch).toFixed(2), y: (336 + row * pitch).toFixed(2),
      width: (pitch - 3).toFixed(2), height: (pitch - 3).toFixed(2), rx: 4, fill: COLOURS[level(day)],
    });
  }
  add("text", { x: MARGIN, y: 560, "font-size": 28, fill: "#566065" }, words.t("streak.total", { days: words.t("days", { n: streak.total_study_days }) }));
  add("text", { x: WIDTH - MARGIN, y: 560, "font-size": 28, "font-weight": 650, fill: "#0b5d57", "text-anchor": "end" }, "Streakline");
  return new XMLSerializer().serializeToString(root);
}

export function downloadShareImage(words, view, year) {
  const url = URL.createObjectURL(new Blob([shareImage(words, view, year)], { type: "image/svg+xml" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `streak-${view.study_streak.today}.svg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
