"use strict";
// Swaps the parts of the page that have changed. Without it, the page reloads itself now and then.
(() => {
  const beat = document.getElementById("beat");
  const silentFor = 40_000; // milliseconds; the relay says something every 15 s at least
  const pending = new Map();
  let heard = new Date();

  const tell = (words, live) => {
    beat.textContent = words;
    document.documentElement.dataset.live = live ? "yes" : "no";
  };

  const clock = (moment) => moment.toLocaleTimeString([], { hour12: false });

  const isBusy = (section) => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && section.contains(selection.anchorNode);
  };

  const swap = (section, markup) => {
    if (isBusy(section)) return pending.set(section, markup); // somebody is about to copy from it
    pending.delete(section);
    const focused = section.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    section.innerHTML = markup; // every text in it was escaped by the server
    if (focused) section.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };

  const take = (parts) => {
    for (const [section, markup] of [...pending]) swap(section, markup);
    for (const [name, text] of Object.entries(parts)) {
      if (name === "title") document.title = text;
      else if (name === "mood") document.getElementById("icon").href = `icon-${text}.svg`;
      else if (name === "said") {
        const said = document.getElementById("said");
        if (said.textContent !== text) said.textContent = text;
      } else {
        const section = document.getElementById(name);
        if (section) swap(section, text);
      }
    }
  };

  const listen = () => {
    const source = new EventSource("live");
    source.addEventListener("open", () => tell("live", true));
    source.addEventListener("parts", (event) => {
      heard = new Date();
      take(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      tell(`no connection since ${clock(heard)}`, false);
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
    const watch = setInterval(() => {
      if (source.readyState === EventSource.CLOSED) return clearInterval(watch);
      if (new Date() - heard < silentFor) return;
      clearInterval(watch);
      source.close();
      tell(`no connection since ${clock(heard)}`, false);
      listen();
    }, 5000);
    addEventListener("pagehide", () => source.close(), { once: true });
  };

  addEventListener("pageshow", (event) => event.persisted && location.reload());
  listen();
})();
