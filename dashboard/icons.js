// Icons as shapes: the icons of awards are drawn alike on every system, and need no font of emoji.

import { html } from "./view.js";

const PATHS = {
  streak: "M12.6 1.8c.9 3.600 6.200 6 6.200 12.200a6.800 6.800 0 0 1-13.600 0c0-3 1.500-5 3-6.600.2 1.700.8 2.900 1.900 3.600.7-3 .3-6.200 2.500-9.200zM12.200 13.600c-1.600 1.300-2.300 2.300-2.300 3.700a2.300 2.300 0 0 0 4.600 0c0-1.400-.9-2.600-2.300-3.700z",
  score: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zm0 4.300a4.200 4.200 0 1 0 0 8.400 4.200 4.200 0 0 0 0-8.400zm0 3.700v1",
  completion: "M4.500 12.800l4.700 4.700L19.500 7",
  time: "M12 4a8.300 8.300 0 1 0 0 16.600A8.300 8.300 0 0 0 12 4zm0 3.800v4.700l3.200 2M9.500 1.800h5",
  certification: "M12 3.200a5.600 5.600 0 1 0 0 11.200 5.600 5.600 0 0 0 0-11.200zM8.700 13.600L7.200 21l4.800-2.400 4.800 2.400-1.500-7.400",
  category: "M2.500 9.500L12 5l9.500 4.500L12 14zM6.500 11.700v4.600c1.600 1.500 3.500 2.200 5.500 2.200s3.900-.7 5.500-2.200v-4.600",
  other: "M12 3l2.700 5.900 6.300.7-4.700 4.300 1.300 6.300L12 17l-5.600 3.200 1.300-6.300L3 9.600l6.300-.7z",
  check: "M5.500 12.500l4.300 4.300 8.700-9.300",
  freeze: "M12 3v18M4.200 7.500l15.600 9M19.800 7.500l-15.600 9",
  download: "M12 4v11m-4.500-4.200L12 15.300l4.500-4.500M5 20h14",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zm4.800 11.300L20.500 20.500",
  arrow: "M5 12h13m-5-5.500l5.500 5.500-5.500 5.500",
};

const SOLID = new Set(["streak"]);

export function Icon({ name, size = 20 }) {
  return html`<svg class=${SOLID.has(name) ? "icon solid" : "icon"} fill-rule="evenodd" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true" fill="none"
    stroke="currentColor" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round">
    <path d=${PATHS[name] ?? PATHS.other} />
  </svg>`;
}
