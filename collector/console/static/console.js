// What the pages do by themselves: look whether they changed, send what is pressed, show newest values.
"use strict";
const main = document.querySelector("main");
const lost = document.querySelector(".lost");
const FAILURES_MAX = 3;
const WATCHED_MAX = 3; // a browser keeps six connections to a place, and the page needs some itself
let failures = 0;

function isBusy() {
  const at = document.activeElement;
  return main.contains(at) && (at.matches("input:not([type=hidden])") || at.matches("select"));
}

async function look() {
  if (document.hidden || isBusy()) return;
  const headers = { "X-Gengfu-Part": "main", "If-None-Match": main.dataset.tag };
  try {
    const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "manual" });
    if (answer.type === "opaqueredirect") return location.reload();
    if (answer.status !== 304) {
      const body = await answer.text();
      if (!answer.headers.get("ETag")) throw new Error(answer.status);
      if (!isBusy()) {
        main.innerHTML = body;
        main.dataset.tag = answer.headers.get("ETag");
      }
    }
    failures = 0;
    lost.hidden = true;
  } catch {
    failures += 1;
    lost.textContent = document.body.dataset.lost;
    lost.hidden = failures < FAILURES_MAX;
  }
}

async function told(answer) {
  try {
    const { detail } = await answer.json();
    return typeof detail === "string" ? detail : detail.map((each) => `${each.loc.at(-1)}: ${each.msg}`).join("; ");
  } catch {
    return `HTTP ${answer.status}`;
  }
}

async function send(method, path, body) {
  const language = document.documentElement.lang;
  const headers = { "X-Gengfu-Request": "1", "Content-Type": "application/json", "Accept-Language": language };
  return fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

function toast(text) {
  const shown = document.createElement("div");
  shown.className = "toast";
  shown.setAttribute("role", "alert");
  shown.textContent = text;
  document.body.append(shown);
  setTimeout(() => shown.remove(), 8000);
}

async function act(form) {
  const body = {};
  let path = form.dataset.api;
  for (const field of form.elements) {
    if (!field.name || field.value === "") continue;
    if (field.name === form.dataset.path) path += field.value;
    else body[field.name] = field.dataset.type === "number" ? Number(field.value) : field.value;
  }
  document.activeElement.blur();
  const answer = await send("POST", path, body);
  if (!answer.ok) toast(await told(answer));
  await look();
}

async function signIn(form) {
  const refused = form.querySelector(".refused");
  const answer = await send("POST", "/api/v1/session", { name: form.name.value, password: form.password.value });
  if (answer.ok) {
    const next = new URLSearchParams(location.search).get("next") || "";
    location.replace(next.startsWith("/console/") ? next : "/console/alarms");
    return;
  }
  refused.textContent = answer.status === 401 ? form.dataset.wrong : await told(answer);
  refused.hidden = false;
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  if ("signIn" in form.dataset) signIn(form);
  else if (form.dataset.api) act(form);
});

document.addEventListener("click", async (event) => {
  if (!event.target.matches("[data-sign-out]")) return;
  await send("DELETE", "/api/v1/session");
  location.replace("/console/sign-in");
});

// While somebody looks, the gateways on the page send newest values at once; the page itself reads them.
function watch() {
  const shown = [...main.querySelectorAll("[data-gateway]")].map((each) => each.dataset.gateway);
  for (const gateway of [...new Set(shown)].slice(0, WATCHED_MAX))
    new EventSource(`/api/v1/gateways/${encodeURIComponent(gateway)}/live`).onmessage = (event) => {
      for (const sample of JSON.parse(event.data).items) {
        const rows = `[data-gateway="${gateway}"] [data-point="${sample.device}/${sample.point}"] b`;
        const value = main.querySelector(rows);
        if (value && typeof sample.value === "number") value.textContent = +sample.value.toPrecision(6);
      }
    };
}

if (main.dataset.refreshMs) setInterval(look, Number(main.dataset.refreshMs));
if ("live" in main.dataset) watch();
