//! What the compiler says to user code that is wrong: the messages are part of the API.
//!
//! `TRYBUILD=overwrite cargo test -p stentor --test compile_fail` writes the messages down anew,
//! as a new compiler may word them otherwise; read the difference before it is committed.

#[test]
fn wrong_handlers_are_told_what_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
