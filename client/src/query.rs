//! `cox query`: what is known of a run, asked in SQL. The tables are made in memory, and a statement can only read them.

use crate::{
    NAME,
    args::Query,
    csv,
    database::{self, Records, SCHEMA},
    error::Failure,
    output::Output,
    source::Source,
};
use plan::number;
use program::{say, text::one_line};
use rusqlite::{
    Connection, ErrorCode, Statement,
    hooks::{AuthAction, AuthContext, Authorization},
    types::ValueRef,
};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};
use tonic::transport::Uri;
use view::{Align, table};

/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;

/// Answers a question in SQL.
///
/// # Errors
/// If the run does not tell what it knows, or the statement is wrong, writes, or takes too long.
pub async fn query(url: &Uri, options: &Query, output: &Output) -> Result<(), Failure> {
    let Some(sql) = options.sql.as_deref().filter(|_| !options.schema) else {
        return if output.json() {
            output.json_object(&serde_json::json!({"schema": SCHEMA}))
        } else {
            output.text(SCHEMA)
        };
    };
    let source = Source::of(&options.from, url).await?;
    // Counts of answers are many, and few ask for them.
    let with_confusion = sql.to_lowercase().contains("confusion");
    let records = Records::of(&source, with_confusion).await?;
    let database = database::of(&records).map_err(|error| Failure::Query(error.to_string()))?;
    let answer = ask(database, sql, options.limit, options.timeout).map_err(|error| failed(&error, options.timeout))?;
    if answer.cut {
        say(NAME, &format!("only the first {} rows are shown: --limit gives more", options.limit));
    }
    show(&answer, options.csv, output)
}

/// The rows that a statement gives.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each of as many values.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more.
    pub cut: bool,
}

/// What `sql`, a statement that only reads, gives within `time`: so many rows at most.
///
/// # Errors
/// If it is wrong, does more than to read, or takes longer.
pub fn ask(mut database: Connection, sql: &str, limit: usize, time: Duration) -> Result<Answer, rusqlite::Error> {
    database.authorizer(Some(only_reading))?;
    let end = Instant::now() + time;
    database.progress_handler(STEPS, Some(move || Instant::now() > end))?;
    let mut statement = database.prepare(sql)?;
    let columns = apart(statement.column_names());
    let (rows, cut) = rows(&mut statement, columns.len(), limit)?;
    Ok(Answer { columns, rows, cut })
}

/// The names of columns, each once: of `a, a` the second is `a:1`, as in the shell of SQLite.
fn apart<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut apart: Vec<String> = Vec::new();
    for name in names {
        let others = (1..).map(|number| format!("{name}:{number}"));
        let free = std::iter::once(name.to_owned()).chain(others).find(|free| !apart.contains(free));
        apart.extend(free);
    }
    apart
}

fn rows(
    statement: &mut Statement<'_>,
    columns: usize,
    limit: usize,
) -> Result<(Vec<Vec<Value>>, bool), rusqlite::Error> {
    let mut found = statement.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        if rows.len() >= limit {
            return Ok((rows, true));
        }
        rows.push((0..columns).map(|column| row.get_ref(column).map(value)).collect::<Result<_, _>>()?);
    }
    Ok((rows, false))
}

/// Lets nothing pass but to read tables: no other file is opened or written, and nothing is changed.
fn only_reading(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(real) => serde_json::to_value(number::Number(real)).unwrap_or_default(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")).into(),
    }
}

fn failed(error: &rusqlite::Error, time: Duration) -> Failure {
    Failure::Query(match error.sqlite_error_code() {
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            "the statement does more than to read; cox query only reads".to_owned()
        }
        Some(ErrorCode::OperationInterrupted) => {
            format!("the statement took longer than {}; --timeout gives it more", humantime::format_duration(time))
        }
        _ => match error {
            rusqlite::Error::MultipleStatement => "give one statement".to_owned(),
            error => format!("{error}; cox query --schema shows the tables"),
        },
    })
}

fn show(answer: &Answer, as_csv: bool, output: &Output) -> Result<(), Failure> {
    if output.json() {
        let object =
            |row: &Vec<Value>| -> Map<String, Value> { answer.columns.iter().cloned().zip(row.clone()).collect() };
        return output.json_object(&answer.rows.iter().map(object).collect::<Vec<_>>());
    }
    if as_csv {
        let line = |row: &Vec<Value>| csv::line(row.iter().map(text));
        return output.lines(std::iter::once(csv::line(answer.columns.clone())).chain(answer.rows.iter().map(line)));
    }
    output.lines(lines(answer))
}

/// A table. Columns of numbers are padded on the left.
#[must_use]
pub fn lines(answer: &Answer) -> Vec<String> {
    let is_number = |column: usize| {
        answer.rows.iter().filter_map(|row| row.get(column)).all(|value| value.is_number() || value.is_null())
    };
    let align = |column: usize| if is_number(column) { Align::Right } else { Align::Left };
    let columns: Vec<Align> = (0..answer.columns.len()).map(align).collect();
    let mut rows = vec![answer.columns.clone()];
    rows.extend(answer.rows.iter().map(|row| row.iter().map(|value| one_line(&text(value))).collect()));
    table(&columns, &rows)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Checkpoint, Epoch, Event, Run, Worker};
    use serde_json::json;

    fn database() -> Connection {
        let epoch = |epoch| Epoch {
            epoch,
            test_accuracy: 0.5 + f64::from(epoch) / 10.0,
            test_loss: f64::NAN,
            confusion: vec![3, 1, 2, 4],
            ..Epoch::default()
        };
        let config = json!({"lr": 0.1, "schedule": {"kind": "plateau"}, "dataset": {"classes": ["cat", "dog"]}});
        let worker = Worker { name: "w".to_owned(), shards: vec![0, 1], ..Worker::default() };
        let records = Records {
            run: Run {
                id: "r1".to_owned(),
                config: Some(proto::to_message(&config)),
                workers: vec![worker],
                ..Run::default()
            },
            epochs: vec![epoch(0), epoch(1)],
            events: vec![Event { number: 0, at: 1.5, text: "w came".to_owned() }],
            checkpoints: vec![Checkpoint { name: "step-1".to_owned(), steps_done: 1, ..Checkpoint::default() }],
            ..Records::default()
        };
        database::of(&records).unwrap()
    }

    const TIME: Duration = Duration::from_secs(20);

    fn answer(sql: &str) -> Result<Answer, String> {
        ask(database(), sql, 100, TIME).map_err(|error| failed(&error, TIME).to_string())
    }

    #[test]
    fn tables_have_what_the_run_tells() {
        let rows = |sql: &str| answer(sql).unwrap().rows;
        assert_eq!(
            rows("SELECT max(test_accuracy), test_loss, epoch FROM epochs"),
            [vec![json!(0.6), json!(null), json!(1)]]
        );
        assert_eq!(rows("SELECT value FROM settings WHERE name = 'schedule.kind'"), [vec![json!("plateau")]]);
        assert_eq!(
            rows("SELECT answer, images FROM confusion WHERE epoch = 1 AND class = 'dog'"),
            [vec![json!("cat"), json!(2)], vec![json!("dog"), json!(4)]]
        );
        assert_eq!(rows("SELECT bytes, on_disk FROM checkpoints"), [vec![json!(null), json!(0)]]);
        assert_eq!(
            rows("SELECT id, (SELECT shards FROM workers), (SELECT text FROM events) FROM run"),
            [vec![json!("r1"), json!(2), json!("w came")]]
        );
    }

    #[test]
    fn columns_of_one_name_are_told_apart() {
        let names = |sql: &str| answer(sql).unwrap().columns;
        assert_eq!(names("SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a"), ["a", "a:1", "b", "a:2"]);
        assert_eq!(names("SELECT 1 AS a, 2 AS 'a:1', 3 AS a"), ["a", "a:1", "a:2"]);
    }

    #[test]
    fn nothing_but_reading_passes() {
        for sql in [
            "DELETE FROM epochs",
            "INSERT INTO epochs (epoch) VALUES (9)",
            "UPDATE run SET id = 'x'",
            "DROP TABLE epochs",
            "CREATE TABLE x (y)",
            "ATTACH '/tmp/x.sqlite' AS x",
            "VACUUM INTO '/tmp/x.sqlite'",
            "PRAGMA writable_schema = 1",
            "BEGIN",
            "SELECT load_extension('x')",
        ] {
            let error = answer(sql).unwrap_err();
            assert!(error.contains("only reads") || error.contains("load_extension"), "{sql}: {error}");
        }
        assert_eq!(answer("SELECT 1; SELECT 2").unwrap_err(), "give one statement");
        assert!(answer("SELEC 1").unwrap_err().contains("--schema"));
    }

    #[test]
    fn rows_and_time_are_bounded() {
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT";
        let some = ask(database(), &format!("{endless} i FROM n"), 3, TIME).unwrap();
        assert_eq!((some.rows.len(), some.cut), (3, true));
        let short = Duration::from_millis(50);
        let error = ask(database(), &format!("{endless} count(*) FROM n"), 3, short).unwrap_err();
        assert!(failed(&error, short).to_string().contains("took longer than 50ms"), "{error}");
    }

    #[test]
    fn a_table_pads_numbers_on_the_left() {
        let answer = answer("SELECT epoch * 100 AS hundred, 'a\tb' AS word FROM epochs").unwrap();
        assert_eq!(lines(&answer), ["hundred  word", "      0  a b", "    100  a b"]);
    }
}
