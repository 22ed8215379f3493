//! The page, compiled into the program. Nothing is read from disk, and no other path exists.

/// A file of the page.
pub(crate) struct File {
    /// What it is asked for by.
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: &'static str,
}

/// The modules of the page. Each imports only those above it, and no two have a name in common at their top
/// level, so that a page without a server can have them all in one script.
macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[$(File {
            path: concat!("/js/", $name),
            content_type: "text/javascript; charset=utf-8",
            body: include_str!(concat!("../web/js/", $name)),
        }),*]
    };
}

/// What shows a session, wherever it comes from.
pub(crate) const SHARED_MODULES: &[File] = modules![
    "dom.js",
    "format.js",
    "icons.js",
    "panel.js",
    "town.js",
    "meters.js",
    "values.js",
    "memory.js",
    "rewards.js",
    "places.js",
    "deaths.js",
    "run.js",
    "survival.js",
    "guide.js",
    "stage.js",
];

/// What talks to a server.
pub(crate) const LIVE_MODULES: &[File] = modules!["connection.js", "ending.js", "controls.js", "main.js"];

/// What plays an episode that the page holds.
pub(crate) const OFFLINE_MODULES: &[File] = modules!["offline.js"];

/// The page and its style.
pub(crate) const PAGE: &[File] = &[
    File { path: "/", content_type: "text/html; charset=utf-8", body: include_str!("../web/index.html") },
    STYLE,
    File { path: "/favicon.svg", content_type: "image/svg+xml", body: include_str!("../web/favicon.svg") },
];

/// The style alone.
pub(crate) const STYLE: File = File {
    path: "/style.css",
    content_type: "text/css; charset=utf-8",
    body: include_str!("../web/style.css"),
};
