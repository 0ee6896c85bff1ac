(() => {
  let zone;
  try { zone = Intl.DateTimeFormat().resolvedOptions().timeZone; } catch { return; }
  if (!zone) return;
  for (const field of document.querySelectorAll("input[data-guess]")) {
    if (field.value === zone) continue;
    field.value = zone;
    document.getElementById(field.dataset.guess).hidden = false;
  }
})();
