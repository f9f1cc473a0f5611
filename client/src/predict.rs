//! `cox predict`: what is in pictures, by the newest checkpoint of the run.

use crate::{
    NAME, args,
    connect::Coordinator,
    error::Failure,
    image::ImageAt,
    look::{Ink, Look},
    output::Output,
};
use plan::number::{self, Number};
use program::{say, text::one_line};
use proto::{Malformed, v1::PredictResponse};
use serde::{Serialize, Serializer};
use std::collections::VecDeque;
use tokio::task::{JoinHandle, spawn_blocking};
use view::{Align, percent, table};

/// How many pictures are read, sent and classified at a time.
const IN_FLIGHT: usize = 8;

/// Prints what is in each picture, in the order given. A bad one does not stop the others.
///
/// # Errors
/// If there was a bad one, in the end; or at once if the coordinator does not answer.
pub async fn predict(coordinator: &Coordinator, options: args::Predict, output: &Output) -> Result<(), Failure> {
    let all = options.images.len();
    let mut waiting = options.images.into_iter();
    let mut in_flight: VecDeque<(String, JoinHandle<Result<PredictResponse, Failure>>)> = VecDeque::new();
    let mut failed = 0;
    loop {
        while in_flight.len() < IN_FLIGHT
            && let Some(source) = waiting.next()
        {
            in_flight.push_back((source.to_string(), tokio::spawn(ask(coordinator.clone(), source))));
        }
        let Some((image, answer)) = in_flight.pop_front() else { break };
        match answer.await? {
            Ok(response) => print(&image, &response, options.top.into(), output)?,
            Err(failure @ Failure::Image { .. }) if all > 1 => {
                say(NAME, &failure);
                failed += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Images { failed, all }) }
}

async fn ask(coordinator: Coordinator, source: ImageAt) -> Result<PredictResponse, Failure> {
    let image = source.to_string();
    let request = spawn_blocking(move || source.request()).await??;
    match coordinator.predict(request).await {
        Err(Failure::Rejected { message }) => Err(Failure::Image { image, why: one_line(&message) }),
        Ok(response) => check(response),
        Err(failure) => Err(failure),
    }
}

/// Only an answer that names a probability for each class can be shown.
fn check(response: PredictResponse) -> Result<PredictResponse, Failure> {
    if response.classes.is_empty() || response.classes.len() != response.probabilities.len() {
        return Err(Malformed::new("a prediction without a probability for each class").into());
    }
    Ok(response)
}

fn print(image: &str, response: &PredictResponse, top: usize, output: &Output) -> Result<(), Failure> {
    if output.json() {
        output.json_line(&View::new(image, response))
    } else {
        output.text(&render(image, response, top, output.look()))
    }
}

/// The picture's name, its class, the checkpoint that tells it, and a bar for each of the `top` most probable classes.
#[must_use]
pub fn render(image: &str, response: &PredictResponse, top: usize, look: Look) -> String {
    let checkpoint = match response.checkpoint_accuracy {
        Some(accuracy) => format!("by {}, {} of the test set", one_line(&response.checkpoint), percent(accuracy)),
        None => format!("by {}", one_line(&response.checkpoint)),
    };
    let class = look.paint(Ink::Good, &one_line(&response.class));
    let image = look.paint(Ink::Strong, &one_line(image));
    let mut classes: Vec<(&String, f32)> =
        response.classes.iter().zip(response.probabilities.iter().copied()).collect();
    // Stable: equal ones stay in the order of the classes.
    classes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let width = look.width.saturating_sub(26).clamp(10, 40);
    let row = |(class, probability): &(&String, f32)| {
        let fraction = f64::from(*probability);
        vec![
            format!("  {}", one_line(class)),
            look.paint(Ink::Good, &view::bar(fraction, width)),
            format!("{:.1} %", 100.0 * fraction),
        ]
    };
    let rows: Vec<Vec<String>> = classes.iter().take(top).map(row).collect();
    let bars = table(&[Align::Left, Align::Left, Align::Right], &rows).join("\n");
    format!("{image}: {class} {}\n{bars}\n", look.paint(Ink::Faint, &format!("({checkpoint})")))
}

/// A prediction as JSON.
#[derive(Debug, Serialize)]
struct View<'a> {
    image: &'a str,
    class: &'a str,
    class_index: u32,
    #[serde(serialize_with = "by_class")]
    probabilities: &'a PredictResponse,
    checkpoint: &'a str,
    #[serde(with = "number::optional")]
    checkpoint_accuracy: Option<f64>,
}

impl<'a> View<'a> {
    fn new(image: &'a str, response: &'a PredictResponse) -> Self {
        Self {
            image,
            class: &response.class,
            class_index: response.class_index,
            probabilities: response,
            checkpoint: &response.checkpoint,
            checkpoint_accuracy: response.checkpoint_accuracy,
        }
    }
}

/// An object of class and probability, in the order of the classes.
fn by_class<S: Serializer>(response: &PredictResponse, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(response.classes.iter().zip(response.probabilities.iter().copied().map(Number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> PredictResponse {
        PredictResponse {
            class: "cat".to_owned(),
            class_index: 1,
            probabilities: vec![0.05, 0.75, 0.2, 0.0],
            classes: ["deer", "cat", "dog", "automobile"].map(str::to_owned).to_vec(),
            checkpoint: "step-001955".to_owned(),
            checkpoint_accuracy: Some(0.8122),
        }
    }

    #[test]
    fn the_most_probable_first() {
        let expected = "\
a.png: cat (by step-001955, 81.22 % of the test set)
  cat   ███████████████░░░░░  75.0 %
  dog   ████░░░░░░░░░░░░░░░░  20.0 %
  deer  █░░░░░░░░░░░░░░░░░░░   5.0 %
";
        assert_eq!(render("a.png", &response(), 3, Look::plain(46)), expected);
    }

    #[test]
    fn a_checkpoint_amid_an_epoch_has_no_accuracy() {
        let response = PredictResponse { checkpoint_accuracy: None, ..response() };
        let text = render("a.png", &response, 1, Look::plain(36));
        assert_eq!(text, "a.png: cat (by step-001955)\n  cat  ████████░░  75.0 %\n");
    }

    #[test]
    fn as_json() {
        assert_eq!(
            serde_json::to_string(&View::new("a.png", &response())).unwrap(),
            r#"{"image":"a.png","class":"cat","class_index":1,"#.to_owned()
                + r#""probabilities":{"deer":0.05,"cat":0.75,"dog":0.2,"automobile":0.0},"#
                + r#""checkpoint":"step-001955","checkpoint_accuracy":0.8122}"#
        );
    }

    #[test]
    fn an_answer_without_probabilities_is_refused() {
        assert!(check(response()).is_ok());
        assert!(check(PredictResponse { probabilities: Vec::new(), ..response() }).is_err());
        assert!(check(PredictResponse::default()).is_err());
    }
}
