"use strict";
// Swaps the parts of the page that have changed, and counts ages. Without it, the page reloads itself now and then.
(() => {
  const root = document.documentElement;
  const beat = document.getElementById("beat");
  const stream = document.body.dataset.stream;
  const silentFor = 40_000; // milliseconds; the relay says something every 15 s at least
  const pending = new Map();
  let heard = new Date();

  // As `duration` in relay/events/wording.py; a test holds the two together.
  const duration = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 600) return whole % 60 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${whole / 60} min`;
    const minutes = Math.round(whole / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return minutes % 60 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${hours} h`;
    return hours % 24 ? `${Math.floor(hours / 24)} days ${hours % 24} h` : `${Math.floor(hours / 24)} days`;
  };

  // The relay's clock counts, not the browser's: `data-at` is what it was when the page was made.
  const ahead = Date.now() - (Date.parse(document.body.dataset.at) || Date.now());
  const count = () => {
    const now = Date.now() - ahead;
    for (const each of document.querySelectorAll("[data-since], [data-until]")) {
      const { since, until } = each.dataset;
      const text = duration((since ? now - Date.parse(since) : Date.parse(until) - now) / 1000);
      if (each.textContent !== text) each.textContent = text;
    }
  };

  const offerCopies = () => {
    for (const button of document.querySelectorAll(".cmd button[hidden]")) {
      const command = button.previousElementSibling.textContent;
      button.hidden = false;
      button.ariaLabel = `Copy ${command}`;
      button.onclick = () => navigator.clipboard.writeText(command).then(() => (button.textContent = "Copied"));
    }
  };

  const tell = (words, live) => {
    beat.textContent = words;
    root.dataset.live = live ? "yes" : "no";
  };

  const isBusy = (section) => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && section.contains(selection.anchorNode);
  };

  const swap = (section, markup) => {
    if (isBusy(section)) return pending.set(section, markup); // somebody is about to copy from it
    pending.delete(section);
    const open = [...section.querySelectorAll("details[open][id]")].map((each) => each.id);
    const focused = section.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    section.innerHTML = markup; // every text in it was escaped by the server
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) section.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };

  const take = (parts) => {
    for (const [section, markup] of [...pending]) swap(section, markup);
    for (const [name, text] of Object.entries(parts)) {
      if (name === "title") document.title = text;
      else if (name === "icon") document.getElementById("icon").href = text;
      else if (name === "announcement") {
        const spoken = document.getElementById("announcement");
        if (spoken.textContent !== text) spoken.textContent = text;
      } else {
        const section = document.getElementById(name);
        if (section) swap(section, text);
      }
    }
    count();
    offerCopies();
  };

  const lose = () => {
    const since = `${heard.toLocaleTimeString([], { hour12: false })}`;
    document.getElementById("lost").textContent = `Not connected since ${since}. What you see is of then.`;
    tell("not connected", false);
  };

  const listen = () => {
    const source = new EventSource(stream);
    source.addEventListener("open", () => tell("live", true));
    source.addEventListener("parts", (event) => {
      heard = new Date();
      take(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      if (root.dataset.live !== "no") lose();
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
    const watch = setInterval(() => {
      if (source.readyState === EventSource.CLOSED) return clearInterval(watch);
      if (new Date() - heard < silentFor) return;
      clearInterval(watch);
      source.close();
      lose();
      listen();
    }, 5000);
    addEventListener("pagehide", () => source.close(), { once: true });
  };

  offerCopies();
  count();
  setInterval(count, 1000);
  if (!stream) return;
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  listen();
})();
