//! docs/LOADGEN.md lists every option, every key of a scenario file and every exit code.

use clap::CommandFactory as _;
use std::collections::BTreeSet;
use stentor_loadgen::cli::Cli;
use stentor_loadgen::plan::file;

const PAGE: &str = include_str!("../../docs/LOADGEN.md");

/// The keys that a mistake in one place of a file lists.
fn keys(text: &str) -> BTreeSet<String> {
    let error = format!("{:#}", file::parse(text, &[]).expect_err("an unknown key"));
    let (_, known) = error.split_once("expected one of ").expect("the keys");
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_option_is_listed() {
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        let listed =
            ["`", "`stentor-loadgen "].map(|before| PAGE.contains(&format!("{before}{name}")));
        assert!(listed.contains(&true), "the command {name}");
        for option in command.get_arguments().filter_map(|a| a.get_long()) {
            if name != "rude" && option != "help" {
                assert!(
                    PAGE.contains(&format!("`--{option}")),
                    "--{option} of {name}"
                );
            }
        }
    }
}

#[test]
fn keys_are_the_names_of_options_and_are_listed() {
    let echo = Cli::command();
    let echo = echo.find_subcommand("echo").expect("echo");
    let options: BTreeSet<_> = echo.get_arguments().filter_map(|a| a.get_long()).collect();
    for (place, text, own) in [
        ("the file", "x = 1", &["phase"][..]),
        ("a phase", "[[phase]]\nx = 1", &["kind", "load", "measure"]),
        ("a load", "[[phase]]\nload = [{ x = 1 }]", &["kind"]),
    ] {
        let keys = keys(text);
        assert!(keys.len() > 3, "{place}: {keys:?}");
        for key in &keys {
            let known = options.contains(key.as_str()) || own.contains(&key.as_str());
            assert!(known, "{place}: {key} is no option's name");
            assert!(
                PAGE.contains(&format!("`{key}`")) || PAGE.contains(&format!("`--{key}")),
                "{place}: {key}"
            );
        }
    }
}

#[test]
fn exit_codes_are_listed() {
    for code in 0..=4 {
        assert!(PAGE.contains(&format!("\n| {code} | ")), "exit code {code}");
    }
}
