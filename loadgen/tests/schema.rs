//! The schema in the repository is the one the program writes results by.

#[test]
fn the_schema_is_up_to_date() {
    let kept = include_str!("../schema/report.schema.json");
    assert_eq!(
        kept,
        stentor_loadgen::report::schema(),
        "renew it: cargo run -p stentor-loadgen -- schema > loadgen/schema/report.schema.json"
    );
}

#[test]
fn the_example_scenarios_make_sense() {
    for text in [
        include_str!("../scenarios/chat.toml"),
        include_str!("../scenarios/steps.toml"),
        include_str!("../scenarios/million.toml"),
    ] {
        stentor_loadgen::plan::file::parse(text, &[]).expect("an example that does not parse");
    }
}
