"use strict";
(() => {
  const turns = [...document.querySelectorAll(".turn")];
  const filters = document.getElementById("filters");
  if (filters && turns.length > 1) {
    const speaker = document.getElementById("by-speaker");
    const emotion = document.getElementById("by-emotion");
    const shown = document.getElementById("shown");
    for (const name of new Set(turns.map((turn) => turn.dataset.speaker))) {
      const option = document.createElement("option");
      option.value = name;
      option.textContent = name.length > 40 ? `${name.slice(0, 40)}…` : name;
      // An empty value means all, and a name may be anything but empty.
      speaker.append(option);
    }
    const apply = () => {
      let count = 0;
      for (const turn of turns) {
        const fits = (speaker.value === "" || turn.dataset.speaker === speaker.value)
          && (emotion.value === "" || turn.dataset.emotion === emotion.value);
        turn.hidden = !fits;
        count += fits;
      }
      shown.textContent = `${count} of ${turns.length} utterances`;
    };
    filters.addEventListener("change", apply);
    filters.addEventListener("submit", (event) => event.preventDefault());
    // A link to an utterance that is filtered out shows it again.
    window.addEventListener("hashchange", () => {
      const target = document.getElementById(location.hash.slice(1));
      if (target && target.hidden) {
        speaker.value = emotion.value = "";
        apply();
        target.scrollIntoView();
      }
    });
    filters.reset();
    apply();
    filters.hidden = false;
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.body.classList.add("quiet");
  });
  for (const kind of ["focusin", "pointerover"]) {
    document.addEventListener(kind, (event) => {
      if (event.target.closest?.(".cue")) document.body.classList.remove("quiet");
    });
  }
  for (const audio of document.querySelectorAll(".sound audio")) {
    const figure = audio.closest(".sound");
    const head = figure.querySelector(".playhead");
    const width = figure.querySelector("svg").viewBox.baseVal.width;
    const move = () => {
      if (!(audio.duration > 0)) return;
      head.setAttribute("transform", `translate(${width * audio.currentTime / audio.duration} 0)`);
      figure.classList.toggle("playing", audio.currentTime > 0 && !audio.ended);
      if (!audio.paused) requestAnimationFrame(move);
    };
    for (const kind of ["play", "pause", "seeked", "ended"]) audio.addEventListener(kind, move);
  }
})();
