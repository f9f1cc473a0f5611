//! What the documents link to is there, and the flags that they tell of exist.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All documents of the repository.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs"), root().join("deploy"), root().join("benches")];
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    found.extend(top.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 12, "{found:?}");
    found
}

/// What stands between `open` and `close`, wherever it does.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inside, _)| inside))
}

/// The name by which a heading is linked to.
fn slug(heading: &str) -> String {
    let letters = heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    letters.replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in between(&text, "](", ")").filter(|link| !link.contains("://") && !link.contains(' ')) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let heading = |text: String| {
                text.lines().any(|line| line.starts_with('#') && slug(line.trim_start_matches('#')) == anchor)
            };
            if !target.exists() || (!anchor.is_empty() && !fs::read_to_string(&target).is_ok_and(heading)) {
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The flags in a command or in text: `--name`.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.len() > 3 && word.starts_with("--") && !word.starts_with("---"))
}

#[test]
fn flags_exist() {
    let known = fs::read_to_string(root().join("docs/reference/settings.md")).unwrap();
    let mut wrong = Vec::new();
    for document in
        documents().into_iter().filter(|path| path.starts_with(root().join("docs")) || path.ends_with("README.md"))
    {
        let text = fs::read_to_string(&document).unwrap();
        if document.starts_with(root().join("benches")) {
            // Of scripts and benches.
            continue;
        }
        // Commands of our programs, and what is named in running text.
        let commands =
            text.lines().filter(|line| ["coordinator ", "worker ", "cox "].iter().any(|name| line.starts_with(name)));
        let named = between(&text, "`--", "`").map(|rest| rest.split(' ').next().unwrap_or_default());
        let named: Vec<String> = named.map(|name| format!("--{name}")).collect();
        for flag in commands
            .flat_map(|line| flags(line.split(" #").next().unwrap_or_default()))
            .chain(named.iter().flat_map(|name| flags(name)))
        {
            let is_known = [' ', '`'].iter().any(|end| known.contains(&format!("`{flag}{end}")));
            // Of test programs, and a worked example.
            if !is_known && !["--nocapture", "--linear"].contains(&flag) {
                wrong.push(format!("{}: {flag}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
