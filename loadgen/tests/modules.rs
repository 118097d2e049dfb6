//! The shape of the sources: no cycle among modules, no file too long, each begins with its question.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// All sources: their module (the first folder or file below `src`), their names and texts.
fn all() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let read = |path: &PathBuf| {
        let name = path
            .strip_prefix(&root)
            .expect("below src")
            .display()
            .to_string();
        let module = name.split('/').next().unwrap_or_default();
        let text = std::fs::read_to_string(path).expect("a source");
        (module.trim_end_matches(".rs").to_owned(), name, text)
    };
    found.iter().map(read).collect()
}

/// Modules that the code of a file names; what only its tests use does not count.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
    let named = lines.flat_map(|l| l.split("crate::").skip(1));
    let word = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    named.map(word).filter(|w| !w.is_empty()).collect()
}

#[test]
fn modules_form_no_cycle() {
    let mut below = BTreeMap::<String, BTreeSet<String>>::new();
    for (module, _, text) in all() {
        if module == "main" || module == "lib" {
            continue;
        }
        let mut named = uses(&text);
        named.remove(&module);
        below.entry(module).or_default().extend(named);
    }
    // Take away what uses nothing that is left, until nothing is left or only cycles are.
    while !below.is_empty() {
        let free: Vec<_> = below
            .iter()
            .filter(|(_, uses)| uses.iter().all(|u| !below.contains_key(u)))
            .map(|(module, _)| module.clone())
            .collect();
        assert!(!free.is_empty(), "a cycle among: {below:#?}");
        for module in free {
            below.remove(&module);
        }
    }
}

#[test]
fn files_are_short_and_begin_with_their_question() {
    for (_, name, text) in all() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{name} has {lines} lines");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! Answers: "),
            "{name} begins with {first:?}"
        );
    }
}
