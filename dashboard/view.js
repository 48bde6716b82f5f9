// What the page's modules draw with: Preact, its hooks, and htm in place of JSX.

import { h } from "./vendor/preact.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";

export { Component, render } from "./vendor/preact.js";
export { useCallback, useContext, useId, useMemo } from "./vendor/preact-hooks.js";
export { useEffect, useLayoutEffect, useRef, useState };

export const html = htm.bind(h);

/** Return a ref and the width in CSS pixels of the element that gets it, which is 0 before it is drawn. */
export function useWidth() {
  const ref = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Draw again whenever a store changes, and return its state. A store has `state` and `subscribe`. */
export function useStore(store) {
  const [, draw] = useState(0);
  useEffect(() => store.subscribe(() => draw((n) => n + 1)), [store]);
  return store.state;
}

/** Return a store: a state, `set` to change parts of it, and `subscribe`, which returns how to stop. */
export function createStore(state) {
  const listeners = new Set();
  const store = {
    state,
    set(changes) {
      store.state = { ...store.state, ...changes };
      for (const listener of listeners) listener(store.state);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return store;
}
