//! Answers: which modules of a crate does each of its files name, and is that allowed.
//!
//! The tests of three crates read their own sources with this. A crate has *floors*: a module may name those
//! of lower floors, and none of its own floor or above. So no cycle is possible.

#![allow(dead_code, reason = "each crate's test uses its part")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A file of a crate.
pub(crate) struct Source {
    /// Below `src`, with `/`.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The first folder or file below `src`.
    pub(crate) fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// The path of the module that the file is.
    fn path(&self) -> Vec<String> {
        let path = self.name.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        path.split('/').map(str::to_owned).collect()
    }

    fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs") || self.name.contains("/tests/")
    }

    /// What is compiled of it, character by character: comments, texts and tests are blanks.
    pub(crate) fn code(&self) -> String {
        let text = self.text.split("\nmod tests {").next();
        blank(text.unwrap_or_default())
    }

    fn line(&self, at: usize) -> (usize, &str) {
        let number = self.text[..at].matches('\n').count();
        let line = self.text.lines().nth(number).unwrap_or_default();
        (number + 1, line.trim())
    }

    fn fault(&self, at: usize, why: &str) -> String {
        let (number, line) = self.line(at);
        format!("src/{}:{number}: `{line}`: {why}", self.name)
    }
}

/// All sources of the crate in this folder but its programs.
pub(crate) fn sources(of: &str) -> Vec<Source> {
    fn look(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if !path.ends_with("src/bin") {
                    look(&path, found);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(of).join("src");
    let mut found = Vec::new();
    look(&root, &mut found);
    found.sort();
    let read = |path: &PathBuf| Source {
        name: path
            .strip_prefix(&root)
            .expect("below src")
            .display()
            .to_string(),
        text: fs::read_to_string(path).expect("a source"),
    };
    found.iter().map(read).collect()
}

/// Blanks in place of comments and of what is between quotes, so that every byte stays where it is.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = if rest.starts_with(b"//") {
            rest.iter().position(|b| *b == b'\n')
        } else if rest.starts_with(b"r\"") || rest.starts_with(b"r#") {
            let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
            let is_text = rest.get(1 + hashes) == Some(&b'"');
            let close = [b"\"", &b"#".repeat(hashes)[..]].concat();
            let from = 2 + hashes;
            let find = || {
                let inside = rest[from..].windows(close.len());
                inside.into_iter().position(|w| w == close)
            };
            if is_text {
                find().map(|n| from + n + close.len())
            } else {
                Some(1)
            }
        } else if rest[0] == b'"' {
            let mut n = 1;
            while n < rest.len() && rest[n] != b'"' {
                n += if rest[n] == b'\\' { 2 } else { 1 };
            }
            Some(n + 1)
        } else if rest.starts_with(b"'\\") {
            rest[3..].iter().position(|b| *b == b'\'').map(|n| n + 4)
        } else if rest[0] == b'\'' && rest.get(2) == Some(&b'\'') {
            Some(3)
        } else {
            at += 1;
            continue;
        };
        let end = (at + end.unwrap_or(rest.len())).min(bytes.len());
        if end > at + 1 {
            for byte in &mut code[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end;
    }
    String::from_utf8(code).expect("texts and comments end where characters do")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A path that a file names, from the crate's root, and where.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    path: Vec<String>,
    at: usize,
}

/// Follows a path, and all branches of one in braces, from behind its beginning.
fn follow(code: &[u8], at: &mut usize, prefix: &[String], found: &mut Vec<Named>) {
    let mut path = prefix.to_vec();
    loop {
        while code.get(*at).is_some_and(u8::is_ascii_whitespace) {
            *at += 1;
        }
        let start = *at;
        if code.get(*at) == Some(&b'{') {
            *at += 1;
            while code.get(*at).is_some_and(|b| *b != b'}') {
                if code[*at].is_ascii_whitespace() || code[*at] == b',' {
                    *at += 1;
                } else {
                    let before = *at;
                    follow(code, at, &path, found);
                    *at = (*at).max(before + 1);
                }
            }
            *at += 1;
            return;
        }
        while code.get(*at).is_some_and(|b| is_word(*b)) {
            *at += 1;
        }
        let word = String::from_utf8_lossy(&code[start..*at]).into_owned();
        match &*word {
            "super" => drop(path.pop()),
            "self" => {}
            _ => path.push(word),
        }
        if !code[*at..].starts_with(b"::") {
            // `as name` is a word of its own, which names nothing.
            while code.get(*at).is_some_and(|b| *b == b' ') {
                *at += 1;
            }
            if code[*at..].starts_with(b"as ") {
                *at += 3;
                while code.get(*at).is_some_and(|b| is_word(*b)) {
                    *at += 1;
                }
            }
            found.push(Named { path, at: start });
            return;
        }
        *at += 2;
    }
}

/// All that a file names of its own crate.
fn named(source: &Source) -> Vec<Named> {
    let code = source.code().into_bytes();
    let own = source.path();
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let begins = at == 0 || !is_word(code[at - 1]) && !code[..at].ends_with(b"::");
        let rest = &code[at..];
        let (prefix, len) = if begins && rest.starts_with(b"crate::") {
            (Vec::new(), 7)
        } else if begins && rest.starts_with(b"super::") {
            (own[..own.len() - 1].to_vec(), 7)
        } else {
            at += 1;
            continue;
        };
        at += len;
        follow(&code, &mut at, &prefix, &mut found);
    }
    found
}

/// The lines on which a module names one that does not stand below it.
pub(crate) fn arrows_up(sources: &[Source], floors: &[&[&str]]) -> Vec<String> {
    let floor = |module: &str| floors.iter().position(|floor| floor.contains(&module));
    let mut faults = Vec::new();
    let has = |module: &str| sources.iter().any(|source| source.module() == module);
    for module in floors.iter().copied().flatten().filter(|m| !has(m)) {
        faults.push(format!(
            "there is no module {module}: take it from the floors"
        ));
    }
    for source in sources {
        let module = source.module();
        if module == "lib" || module == "main" || source.is_test() {
            continue;
        }
        let Some(own) = floor(module) else {
            faults.push(format!("src/{} stands on no floor", source.name));
            continue;
        };
        for Named { path, at } in named(source) {
            let Some(to) = path.first().filter(|to| *to != module) else {
                continue;
            };
            match floor(to) {
                None => {
                    let why = format!("{to} is no module: say in which it is");
                    faults.push(source.fault(at, &why));
                }
                Some(of) if of <= own => {
                    let why = format!("{to} does not stand below {module}");
                    faults.push(source.fault(at, &why));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// Where `impl NAME {` stands in a file, and where it ends: at the next brace at a line's beginning.
fn blocks<'a>(code: &'a str, of: &str) -> Vec<(usize, &'a str)> {
    let begin = format!("\nimpl {of} {{\n");
    let starts = code.match_indices(&begin);
    let block = |at: usize| {
        let text = &code[at..];
        &text[..text.find("\n}").unwrap_or(text.len())]
    };
    starts
        .map(|(at, _)| (at + begin.len(), block(at + begin.len())))
        .collect()
}

/// Names of the functions in a block.
fn functions(block: &str) -> impl Iterator<Item = &str> {
    let words = block.match_indices("fn ");
    words.map(|(at, _)| {
        let rest = &block[at + 3..];
        &rest[..rest.find(|c: char| !is_word(c as u8)).unwrap_or(0)]
    })
}

/// Where a file calls one of these functions of a type whose values are called `value`.
fn calls(source: &Source, of: &str, value: &str, names: &BTreeSet<String>) -> Vec<(usize, String)> {
    let code = source.code();
    let own = blocks(&code, of);
    let mut found = Vec::new();
    for name in names {
        for (at, call) in code.match_indices(&format!(".{name}(")) {
            let before = &code[..at];
            let in_own = own
                .iter()
                .any(|(from, block)| (*from..from + block.len()).contains(&at));
            if before.ends_with(value) || in_own && before.ends_with("self") {
                found.push((at, call.to_owned()));
            }
        }
    }
    found
}

/// The lines on which a lower floor calls a function that a higher one gives to the type `of`, whose values are
/// called `value`: no import shows that.
pub(crate) fn calls_up(
    sources: &[Source],
    floors: &[&[&str]],
    of: &str,
    value: &str,
) -> Vec<String> {
    let floor = |source: &Source| {
        let module = source.module();
        floors.iter().position(|floor| floor.contains(&module))
    };
    let mut faults = Vec::new();
    for (nth, _) in floors.iter().enumerate() {
        let above = sources.iter().filter(|source| floor(source) == Some(nth));
        let mut names = BTreeSet::new();
        for source in above.filter(|source| !source.is_test()) {
            for (_, block) in blocks(&source.code(), of) {
                names.extend(functions(block).map(str::to_owned));
            }
        }
        for source in sources.iter().filter(|source| !source.is_test()) {
            if floor(source).is_some_and(|of| of > nth) {
                for (at, call) in calls(source, of, value, &names) {
                    let module = source.module();
                    let why = format!(
                        "{call}) is of {:?}, which stand above {module}",
                        floors[nth]
                    );
                    faults.push(source.fault(at, &why));
                }
            }
        }
    }
    faults
}

/// One sentence a fault.
#[track_caller]
pub(crate) fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
