for (const button of document.querySelectorAll(".copy")) {
  const code = button.parentElement.querySelector("code");
  const label = button.textContent;
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "✓";
      setTimeout(() => { button.textContent = label; }, 1200);
    } catch {
      getSelection().selectAllChildren(code);
    }
  };
}

// A picture grows in place; beside it stand those it is to be compared with. The file in the folder has all pixels, and where the
// page has left its folder, the small picture inside it is shown.
const dialog = document.querySelector("dialog"), large = dialog.querySelector("img"), tabs = dialog.querySelector("nav");
let set = [], at = 0;
const shotsOf = (name) => [...document.querySelectorAll(`.shot[data-set="${CSS.escape(name)}"]`)];
function show(next) {
  at = (next + set.length) % set.length;
  const small = set[at].querySelector("img");
  large.onerror = () => { large.onerror = null; large.src = small.src; };
  large.src = set[at].dataset.file;
  [...tabs.children].forEach((tab, n) => tab.setAttribute("aria-pressed", n === at));
}
for (const shot of document.querySelectorAll(".shot")) {
  shot.onclick = () => {
    set = [...new Set([...shotsOf(shot.dataset.set), ...shotsOf(shot.dataset.beside)])];
    tabs.replaceChildren(...set.map((one, n) => {
      const tab = document.createElement("button");
      tab.textContent = one.parentElement.querySelector("figcaption").textContent;
      tab.onclick = () => show(n);
      return tab;
    }));
    dialog.showModal();
    show(set.indexOf(shot));
  };
}
dialog.onclick = (event) => { if (event.target === dialog || event.target === large) dialog.close(); };
dialog.onkeydown = (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) show(at + step);
};
