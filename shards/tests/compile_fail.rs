//! What the compiler says to user code that is wrong: the messages are part of the API.
//!
//! `TRYBUILD=overwrite cargo test -p stentor --test compile_fail` writes the messages down anew,
//! as a new compiler may word them otherwise; read the difference before it is committed.
//!
//! The cases use functions, not closures, where the message names the handler: a closure's name is
//! its path, and the compiler abbreviates a message by the length of it.

#[test]
fn wrong_handlers_are_told_what_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

#[test]
fn no_expected_message_names_the_folder_of_the_project() {
    let cases = std::fs::read_dir("tests/compile_fail").expect("the cases");
    for case in cases {
        let path = case.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a readable case");
        assert!(
            !text.contains("$DIR"),
            "{} depends on where the project lies",
            path.display()
        );
    }
}
