// In every document before anything of its own: notes what runs, and answers `inspect`.
(() => {
  const XHTML = "http://www.w3.org/1999/xhtml";
  const SCHEMES = ["http:", "https:", "mailto:", "tel:"];
  const ADDRESSES = [
    "action", "background", "cite", "classid", "codebase", "data", "dynsrc", "formaction", "href",
    "longdesc", "lowsrc", "manifest", "ping", "poster", "profile", "src", "usemap", "xlink:href",
  ];
  const EVENTS = [
    "animationstart", "auxclick", "beforetoggle", "blur", "change", "contextmenu", "copy",
    "dblclick", "drag", "focus", "focusin", "focusout", "input", "keydown", "mousedown",
    "mouseenter", "mousemove", "mouseout", "mouseover", "mouseup", "paste", "pointerdown",
    "pointerenter", "pointerover", "scroll", "submit", "toggle", "touchstart", "transitionend",
    "wheel",
  ];
  const NEVER = new Set([
    "applet", "base", "bgsound", "embed", "frame", "frameset", "iframe", "isindex", "keygen",
    "marquee", "noscript", "object", "param", "portal", "slot", "template", "xml", "xmp",
  ]);
  const FORMS = new Set(["button", "form", "input", "select", "textarea"]);
  const PRESSED = new Set([...FORMS, "a", "area", "summary"]);
  const attributes = Object.getOwnPropertyDescriptor(Element.prototype, "attributes").get;
  const ask = Element.prototype.getAttribute;
  const later = setTimeout;

  const heard = [];
  const told = [];
  const tell = what => { heard.push(what); told.push(window.tellPython(what)); };

  for (const name of ["alert", "confirm", "prompt", "print", "open"]) {
    window[name] = () => { tell(`ran ${name}()`); };
  }
  window.addEventListener("securitypolicyviolation", event => {
    tell(`broke ${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
  }, true);

  const schemeOf = address => {
    try { return new URL(address, document.baseURI).protocol; } catch { return ""; }
  };

  // What stands in the document that must not, whether or not anything comes of it.
  const faults = (root, ours, forms) => {
    if (document.contentType !== "text/html") {
      return [...root.querySelectorAll("*")].filter(each => each.namespaceURI === XHTML)
        .map(each => `<${each.localName}> in what is no page`);
    }
    const wrong = [];
    for (const each of root.querySelectorAll("*")) {
      const tag = each.localName;
      const named = [...attributes.call(each)];
      const value = name => ask.call(each, name) ?? "";
      if (each.namespaceURI !== XHTML || NEVER.has(tag)) wrong.push(`<${tag}>`);
      if (FORMS.has(tag) && !forms) wrong.push(`<${tag}> where no form belongs`);
      if (["link", "meta", "style", "title"].includes(tag) && !document.head?.contains(each)) {
        wrong.push(`<${tag}> outside of the head`);
      }
      if (tag === "meta" && each.hasAttribute("http-equiv")) wrong.push("<meta http-equiv>");
      if (tag === "script" && value("type") !== "application/ld+json") {
        if (!ours.includes(each.textContent)) wrong.push("a script that is not ours");
      }
      for (const attribute of named) {
        const name = attribute.name.toLowerCase();
        if (name.startsWith("on") || ["srcdoc", "is", "formaction", "ping"].includes(name)) {
          wrong.push(`the attribute ${name}="${attribute.value}"`);
        }
        if (name === "style" && /url\(|expression|behaviou?r|binding|@import/i.test(attribute.value)) {
          wrong.push(`style="${attribute.value}"`);
        }
        const addresses = name === "srcset"
          ? attribute.value.split(/\s*,\s+/).map(one => one.trim().split(/\s/)[0])
          : ADDRESSES.includes(name) ? [attribute.value] : [];
        for (const address of addresses) {
          const scheme = schemeOf(address);
          const icon = tag === "link" && value("rel") === "icon" && address === "data:,";
          if (scheme && !SCHEMES.includes(scheme) && !icon) wrong.push(`${name}="${address}"`);
        }
      }
      if (tag === "template") wrong.push(...faults(each.content, ours, forms));
      if (each.shadowRoot) wrong.push("a shadow root", ...faults(each.shadowRoot, ours, forms));
    }
    return wrong;
  };

  // Whether anything comes of pointing at it; where a script listens, one has run already.
  const isLively = each => each.namespaceURI !== XHTML
    || [...attributes.call(each)].some(({ name }) => /^on|^tabindex$|^contenteditable$/i.test(name));

  // Points at, steps into and presses everything; a press that only leads elsewhere leads nowhere.
  const touch = async () => {
    const stay = event => {
      const link = event.composedPath().find(each => ["a", "area"].includes(each.localName));
      const address = link && (ask.call(link, "href") ?? ask.call(link, "xlink:href") ?? "");
      if (!link ? event.type === "submit" : /^https?:|^mailto:|^tel:/.test(schemeOf(address))) {
        event.preventDefault();
      }
    };
    const hold = event => {
      const button = event.submitter;
      const to = (button && ask.call(button, "formaction")) ?? ask.call(event.target, "action");
      if (/^https?:/.test(schemeOf(to ?? ""))) event.preventDefault();
    };
    window.addEventListener("click", stay);
    window.addEventListener("submit", hold);
    for (const each of document.querySelectorAll("body, body *")) {
      const lively = isLively(each);
      if (!lively && !PRESSED.has(each.localName)) continue;
      if (lively) {
        for (const name of EVENTS) each.dispatchEvent(new Event(name, { bubbles: true }));
        try { each.focus(); } catch { /* a form may hide it behind a field of that name */ }
      }
      each.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    }
    for (let turn = 0; turn < 3; turn++) await new Promise(done => later(done, 0));
  };

  const textsOf = wanted => Object.fromEntries(Object.entries(wanted).map(([name, where]) => {
    const [selector, attribute] = where.split("@");
    const text = each => attribute ? ask.call(each, attribute) : each.textContent;
    return [name, [...document.querySelectorAll(selector)].map(each => text(each) ?? "")];
  }));

  window.inspect = async ({ ours, forms, texts }) => {
    const wrong = faults(document, ours, forms);
    const said = textsOf(texts);
    await touch();
    await Promise.all(told);
    return { wrong: [...wrong, ...heard], said };
  };

  // What markup says where nothing runs, without the elements that go with their content.
  window.wordsIn = ({ htmls, gone }) => htmls.map(html => {
    const inert = new DOMParser().parseFromString(html, "text/html");
    for (const each of inert.querySelectorAll(gone)) each.remove();
    return inert.documentElement.textContent;
  });

  // For the page that holds the documents, each in a frame.
  window.inspectAll = asked => later(async () => {
    const failing = when => new Promise((_, fail) => when(fail));
    window.inspected = await Promise.all(asked.map(async each => {
      const frame = document.createElement("iframe");
      const loaded = new Promise(done => { frame.onload = done; });
      const late = failing(fail => later(() => fail("it takes too long"), 25000));
      frame.style.display = "none";  // to draw it takes as long as all the rest, and shows no more
      frame.src = each.src;
      document.body.append(frame);
      try {
        await Promise.race([loaded, late]);
        const left = failing(fail => { frame.onload = () => fail("it leads elsewhere"); });
        return await Promise.race([frame.contentWindow.inspect(each), left, late]);
      } catch (error) {
        return { wrong: [`it is gone: ${error}`], said: {} };
      }
    }));
  }, 0);
})();
