// Runs valgrind's DHAT viewer on a profile without a browser and prints the text of its page.
//
//   node dhat_viewer.js DH_VIEW.JS PROFILE

"use strict";

const fs = require("fs");
const vm = require("vm");

const [viewer, profile] = process.argv.slice(2);

// The little of a document that the viewer builds its page with.
class Element {
  constructor(text) {
    this.childNodes = [];
    this.text = text || "";
    this.selectedIndex = 1;
  }

  appendChild(child) {
    child.parentNode = this;
    this.childNodes.push(child);
    return child;
  }

  replaceChild(next, previous) {
    next.parentNode = this;
    this.childNodes[this.childNodes.indexOf(previous)] = next;
  }

  cloneNode() {
    return new Element();
  }

  set textContent(text) {
    this.text = text;
  }

  get textContent() {
    return this.text + this.childNodes.map((child) => child.textContent).join("");
  }
}

const body = new Element();
const document = {
  body,
  location: { search: "" },
  createElement: () => new Element(),
  createTextNode: (text) => new Element(text),
};
const context = vm.createContext({ document, performance, URLSearchParams });
vm.runInContext(fs.readFileSync(viewer, "utf8"), context);
context.profile = fs.readFileSync(profile, "utf8");
vm.runInContext("onLoad(); gData = JSON.parse(profile); buildTree(); displayTree();", context);
console.log(body.textContent);
