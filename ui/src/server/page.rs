//! The files of the page, built into the program.

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal = $kind:ident $file:literal),* $(,)?) => {
        /// The file at a path, with its type.
        pub(super) fn file(path: &str) -> Option<(&'static str, &'static [u8])> {
            Some(match path {
                $($path => ($kind, &include_bytes!(concat!("../../page/", $file))[..])),*,
                _ => return None,
            })
        }
    };
}

files! {
    "/" = HTML "index.html",
    "/style.css" = CSS "style.css",
    "/icon.svg" = SVG "icon.svg",
    "/main.js" = JS "main.js",
    "/format.js" = JS "format.js",
    "/graph.js" = JS "graph.js",
    "/tables.js" = JS "tables.js",
    "/detail.js" = JS "detail.js",
    "/vendor/preact.js" = JS "vendor/preact.js",
    "/vendor/htm.js" = JS "vendor/htm.js",
}
