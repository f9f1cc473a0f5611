//! The files of the page.

use super::Live;
use crate::assets::ASSETS;
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

#[tokio::test]
async fn every_file_is_served_with_its_kind_and_kept_by_its_tag() {
    let live = Live::new();
    for (path, kind) in
        [("/", "text/html"), ("/index.html", "text/html"), ("/style.css", "text/css"), ("/app.js", "text/javascript")]
    {
        let (status, headers, body) = live.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind), "{path}");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'self'"));
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!body.is_empty());
        let again =
            Request::get(path).header(header::IF_NONE_MATCH, &headers[header::ETAG]).body(Body::empty()).unwrap();
        let (status, _, body) = live.ask(again).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
    for path in ["/nothing", "/api/nothing", "/../Cargo.toml", "/api/run?run=1", "/api/confusion"] {
        assert_eq!(live.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(live.get("/api/run?run=x").await.0, StatusCode::BAD_REQUEST);
}

#[test]
fn the_files_are_small_and_need_nothing_from_elsewhere() {
    let all: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
    assert!(all < 150_000, "{all} bytes");
    for asset in ASSETS.iter().filter(|asset| !asset.name.starts_with("uPlot")) {
        let text = std::str::from_utf8(asset.bytes).unwrap();
        let places = text.replace("http://www.w3.org/2000/svg", "").replace("worker --coordinator URL", "");
        for elsewhere in ["http:", "https:", "//cdn", "url(", "@import"] {
            assert!(!places.contains(elsewhere), "{} has {elsewhere}", asset.name);
        }
        // Behind a proxy the page is not at the root.
        for absolute in ["href=\"/", "src=\"/", "'/api", "`/api", "fetch('/", "from '/"] {
            assert!(!places.contains(absolute), "{} has {absolute}", asset.name);
        }
        assert!(
            !places.contains("style=\"") && !places.contains("onclick=\""),
            "{} has what its policy refuses",
            asset.name
        );
    }
    let named = ASSETS.iter().map(|asset| asset.name);
    // What the page itself does not ask for, its first script does, without waiting for one after the other.
    let text = |name: &str| {
        ASSETS.iter().find(|asset| asset.name == name).map(|asset| std::str::from_utf8(asset.bytes).unwrap())
    };
    let page = [text("index.html").unwrap(), text("boot.js").unwrap()].concat();
    for name in named.filter(|name| name.ends_with("js") || name.ends_with("css")) {
        assert!(
            page.contains(&format!("\"{name}\"")) || page.contains(&format!("'{name}'")),
            "the page asks for {name} at once"
        );
    }
}
