//! The predecessor's schema that tests build, held to the facts of the contract in `schema.json`, name by name.
//!
//! It knows what the catalog of a database says about a table; what the columns mean stands in the contract.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use postgres::testing::{Cluster, PREDECESSOR_SCHEMA};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

/// Everything about a table (or view) that the facts name, in their words. Checks and defaults have their own tests.
const TABLE: &str = "
    SELECT json_build_object(
        'columns', (
            SELECT json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod),
                'nullable', NOT attnotnull, 'default', pg_get_expr(adbin, adrelid)) ORDER BY attnum)
            FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped),
        'primary_key', (SELECT json_build_object('name', conname, 'columns', pg_temp.names(conrelid, conkey))
            FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'p'),
        'unique', (SELECT coalesce(json_agg(json_build_object('name', conname,
                'columns', pg_temp.names(conrelid, conkey)) ORDER BY conname), '[]')
            FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'u'),
        'foreign_keys', (SELECT coalesce(json_agg(json_build_object('name', conname,
                'columns', pg_temp.names(conrelid, conkey),
                'references', json_build_object('table', confrelid::regclass,
                    'columns', pg_temp.names(confrelid, confkey)),
                'on_update', CASE confupdtype WHEN 'a' THEN 'NO ACTION' END,
                'on_delete', CASE confdeltype WHEN 'a' THEN 'NO ACTION' END,
                'match', CASE confmatchtype WHEN 's' THEN 'SIMPLE' END,
                'deferrable', condeferrable) ORDER BY conname), '[]')
            FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'f'),
        'checks', (SELECT coalesce(json_agg(conname ORDER BY conname), '[]')
            FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'c'),
        'indexes', (SELECT coalesce(json_agg(json_build_object('name', relname, 'method', amname,
                'columns', pg_temp.names(indrelid, indkey::int2[]), 'unique', indisunique,
                'primary', indisprimary) ORDER BY relname), '[]')
            FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
            WHERE indrelid = $1::text::regclass),
        'triggers', (SELECT coalesce(json_agg(tgname), '[]')
            FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal)
    )";

/// The names of columns by their numbers.
const NAMES: &str = "
    CREATE FUNCTION pg_temp.names(of regclass, numbers int2[]) RETURNS json LANGUAGE sql AS $$
        SELECT json_agg(attname ORDER BY place)
        FROM unnest(numbers) WITH ORDINALITY AS listed (number, place)
        JOIN pg_attribute ON attrelid = of AND attnum = number
    $$";

fn facts() -> Value {
    serde_json::from_str(include_str!("schema.json")).unwrap()
}

async fn built() -> (postgres::testing::TestDatabase, Client) {
    let database = Cluster::shared().await.fresh_database().await;
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(PREDECESSOR_SCHEMA).await.unwrap();
    client.batch_execute(NAMES).await.unwrap();
    (database, client)
}

/// The members of a fact that the catalog is asked for, lists of names sorted as the catalog's answer is.
fn comparable(mut fact: Value) -> Value {
    for list in ["unique", "foreign_keys", "indexes"] {
        let items = fact[list].as_array_mut().unwrap();
        items.sort_by_key(|item| item["name"].as_str().unwrap().to_owned());
    }
    for list in ["checks", "triggers"] {
        let names = fact[list].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
        fact[list] = Value::Array(names);
    }
    let members = ["columns", "primary_key", "unique", "foreign_keys", "checks", "indexes", "triggers"];
    members.into_iter().map(|member| (member.to_owned(), fact[member].take())).collect()
}

#[tokio::test]
async fn every_table_is_the_one_of_the_facts() {
    let (_database, client) = built().await;
    let facts = facts();
    let tables = facts["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 25);
    for table in tables {
        let name = table["name"].as_str().unwrap();
        let found: Value = client.query_one(TABLE, &[&name]).await.unwrap().get(0);
        assert_eq!(found, comparable(table.clone()), "{name}");
    }
    let count = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(client.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 30, "25 tables and 5 views");
}

#[tokio::test]
async fn every_table_holds_the_rows_of_the_facts() {
    let (_database, client) = built().await;
    for table in facts()["tables"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        let rows = format!("SELECT coalesce(jsonb_agg(row), '[]') FROM {name} AS row");
        let mut found: Vec<Value> =
            serde_json::from_value(client.query_one(&rows, &[]).await.unwrap().get(0)).unwrap();
        let mut expected = table.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
        for rows in [&mut found, &mut expected] {
            rows.sort_by_key(Value::to_string);
        }
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn every_view_has_the_columns_of_the_facts() {
    let (_database, client) = built().await;
    for view in facts()["views"].as_array().unwrap() {
        let found: Value = client.query_one(TABLE, &[&view["name"].as_str().unwrap()]).await.unwrap().get(0);
        let columns = found["columns"].as_array().unwrap().iter();
        let columns: Vec<_> =
            columns.map(|column| json!({ "name": column["name"], "type": column["type"] })).collect();
        assert_eq!(Value::Array(columns), view["columns"], "{}", view["name"]);
    }
}
