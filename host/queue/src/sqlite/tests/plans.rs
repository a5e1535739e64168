//! No statement reads a whole table. The statements are taken from the source.

use super::{opened, place};

const SOURCES: [&str; 12] = [
    include_str!("../failed.rs"),
    include_str!("../keyvalue.rs"),
    include_str!("../lease.rs"),
    include_str!("../line.rs"),
    include_str!("../look.rs"),
    include_str!("../push.rs"),
    include_str!("../receipt.rs"),
    include_str!("../remove.rs"),
    include_str!("../reserve.rs"),
    include_str!("../settle.rs"),
    include_str!("../sweep.rs"),
    include_str!("../workers.rs"),
];

fn statements() -> impl Iterator<Item = &'static str> {
    let verbs = ["SELECT ", "UPDATE ", "DELETE "];
    SOURCES
        .iter()
        .flat_map(|source| source.split('"'))
        .filter(move |text| verbs.iter().any(|verb| text.starts_with(verb)))
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&place(&folder)).await;
    assert!(statements().count() > 25, "the statements are found");
    for statement in statements() {
        let plan = store.readers.read(move |sql| {
            let mut plan = sql.prepare(&format!("EXPLAIN QUERY PLAN {statement}"))?;
            let unbound = vec![rusqlite::types::Null; plan.parameter_count()];
            let steps = plan.query_map(rusqlite::params_from_iter(unbound), |row| row.get(3))?;
            Ok(steps.collect::<rusqlite::Result<Vec<String>>>()?)
        });
        for step in plan.await.unwrap() {
            // The oldest receipts, as many as the limit says.
            let bounded = statement.contains("FROM receipts ORDER BY number LIMIT");
            assert!(bounded || !step.starts_with("SCAN"), "{step}: {statement}");
            assert!(!step.contains("TEMP B-TREE"), "{step}: {statement}");
        }
    }
}
