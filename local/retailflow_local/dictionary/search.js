// Find the words anywhere in a column's name or meaning. Matches in the name come first.
const box = document.getElementById("search"), list = document.getElementById("found");
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  const named = COLUMNS.filter((one) => has(one.name));
  const said = COLUMNS.filter((one) => !has(one.name) && has(one.name + " " + one.says));
  list.replaceChildren(...[...named, ...said].slice(0, 30).map((one) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = one.at;
    link.textContent = one.name;
    item.append(link, " " + one.says);
    return item;
  }));
  list.hidden = words.length === 0;
});
