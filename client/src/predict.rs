//! `cox predict`: what is in pictures, by a checkpoint of the run.

mod ask;
mod pin;

pub(crate) use pin::selector;

use crate::{
    NAME, args,
    connect::Coordinator,
    error::Failure,
    image::ImageAt,
    look::{Ink, Look},
    output::Output,
    thumbnail::{Depth, Thumbnail},
};
use ask::{Answered, ask};
use console::truncate_str;
use pin::Pin;
use plan::number::{self, Number};
use program::{say, text::one_line};
use proto::v1::PredictResponse;
use serde::{Serialize, Serializer};
use std::collections::VecDeque;
use tokio::task::{JoinHandle, spawn_blocking};
use view::{Align, percent, table};

/// How many requests are read, sent and answered at a time.
const IN_FLIGHT: usize = 8;
/// The most files of a request.
const FILES: usize = 64;

/// Pixels of the side of a picture that is drawn alone: two in a letter of the usual shape.
const ALONE: u32 = 32;
/// Of one among others.
const AMONG: u32 = 16;
/// Columns between a picture and what is in it.
const GAP: usize = 3;
/// Columns that what is in a picture takes at least.
const WORDS: usize = 30;

/// Prints what is in each picture, in the order given. A bad one does not stop the others.
///
/// # Errors
/// If there was a bad one, in the end; or at once if the coordinator does not answer.
pub async fn predict(coordinator: &Coordinator, options: args::Predict, output: &Output) -> Result<(), Failure> {
    let pin = Pin::new(&options.checkpoint);
    let images = spawn_blocking(move || options.images.into_iter().flat_map(ImageAt::pictures).collect());
    let images: Vec<ImageAt> = images.await?;
    let all = images.len();
    let depth = output.pictures(options.picture).filter(|_| output.look().width >= AMONG as usize + GAP + WORDS);
    let roomy = output.look().width >= ALONE as usize + GAP + WORDS && output.rows() > ALONE as usize / 2 + 1;
    let side = depth.map(|_| if all == 1 && roomy { ALONE } else { AMONG });
    let mut waiting = groups(images).into_iter();
    let mut in_flight: VecDeque<JoinHandle<Result<Vec<Answered>, Failure>>> = VecDeque::new();
    let mut failed = 0;
    loop {
        // Until one has answered, it is not known which checkpoint the others are to be asked.
        let most = if pin.holds() { IN_FLIGHT } else { 1 };
        while in_flight.len() < most
            && let Some(group) = waiting.next()
        {
            in_flight.push_back(tokio::spawn(ask(coordinator.clone(), group, pin.clone(), side)));
        }
        let Some(answers) = in_flight.pop_front() else { break };
        for (image, thumbnail, answer) in answers.await?? {
            match answer {
                Ok(response) => {
                    let drawn = thumbnail.as_ref().zip(depth);
                    print(&image, drawn, &response, options.top.into(), output)?;
                }
                Err(failure @ Failure::Image { .. }) if all > 1 => {
                    say(NAME, &failure);
                    failed += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Images { failed, all }) }
}

/// Pictures that are read together: files. What is downloaded is waited for by itself.
fn groups(images: Vec<ImageAt>) -> Vec<Vec<ImageAt>> {
    let mut groups: Vec<Vec<ImageAt>> = Vec::new();
    for image in images {
        match groups.last_mut() {
            Some(last) if last.len() < FILES && is_file(&image) && last.iter().all(is_file) => last.push(image),
            _ => groups.push(vec![image]),
        }
    }
    groups
}

fn is_file(image: &ImageAt) -> bool {
    matches!(image, ImageAt::File(_))
}

fn print(
    image: &str,
    drawn: Option<(&Thumbnail, Depth)>,
    response: &PredictResponse,
    top: usize,
    output: &Output,
) -> Result<(), Failure> {
    if output.json() {
        return output.json_line(&View::new(image, response));
    }
    let look = output.look();
    let Some((thumbnail, depth)) = drawn else { return output.text(&render(image, response, top, look)) };
    let look = Look { width: look.width.saturating_sub(thumbnail.columns() + GAP), ..look };
    let (name, checkpoint) = heading(image, response, look);
    // Thin ones, so that they do not look like a part of the picture.
    let thin = |fraction: f64, width: usize| {
        let filled = view::bar(fraction, width).chars().filter(|letter| *letter == '█').count();
        look.paint(Ink::Good, &"━".repeat(filled)) + &look.paint(Ink::Faint, &"─".repeat(width - filled))
    };
    let words = [vec![name, checkpoint, String::new()], bars(response, top, look, thin)].concat();
    let words: Vec<_> = words.iter().map(|line| truncate_str(line, look.width, "…").into_owned()).collect();
    output.text(&beside(&thumbnail.lines(depth), thumbnail.columns(), &words))
}

/// A picture of so many columns, with `words` at its right, in the middle of its height. A line is left free below.
fn beside(picture: &[String], columns: usize, words: &[String]) -> String {
    let above = picture.len().saturating_sub(words.len()) / 2;
    let blank = " ".repeat(columns);
    let line = |row: usize| {
        let left = picture.get(row).unwrap_or(&blank);
        match row.checked_sub(above).and_then(|row| words.get(row)) {
            Some(words) => format!("{left}{}{words}\n", " ".repeat(GAP)),
            None => format!("{left}\n"),
        }
    };
    (0..picture.len().max(above + words.len())).map(line).collect::<String>() + "\n"
}

/// The picture's name, its class, the checkpoint that tells it, and a bar for each of the `top` most probable classes.
#[must_use]
pub fn render(image: &str, response: &PredictResponse, top: usize, look: Look) -> String {
    let (name, checkpoint) = heading(image, response, look);
    let bar = |fraction: f64, width: usize| look.paint(Ink::Good, &view::bar(fraction, width));
    let bars = bars(response, top, look, bar).join("\n");
    format!("{name} {checkpoint}\n{bars}\n")
}

/// The picture's name with its class, and the checkpoint that tells it.
fn heading(image: &str, response: &PredictResponse, look: Look) -> (String, String) {
    let checkpoint = match response.checkpoint_accuracy {
        Some(accuracy) => format!("by {}, {} of the test set", one_line(&response.checkpoint), percent(accuracy)),
        None => format!("by {}", one_line(&response.checkpoint)),
    };
    let class = look.paint(Ink::Good, &one_line(&response.class));
    let image = look.paint(Ink::Strong, &one_line(image));
    (format!("{image}: {class}"), look.paint(Ink::Faint, &format!("({checkpoint})")))
}

/// A line for each of the `top` most probable classes, with what `bar` makes of a fraction and a width.
fn bars(response: &PredictResponse, top: usize, look: Look, bar: impl Fn(f64, usize) -> String) -> Vec<String> {
    let mut classes: Vec<(&String, f32)> =
        response.classes.iter().zip(response.probabilities.iter().copied()).collect();
    // Stable: equal ones stay in the order of the classes.
    classes.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let width = look.width.saturating_sub(26).clamp(10, 40);
    let row = |(class, probability): &(&String, f32)| {
        let fraction = f64::from(*probability);
        vec![format!("  {}", one_line(class)), bar(fraction, width), format!("{:.1} %", 100.0 * fraction)]
    };
    let rows: Vec<Vec<String>> = classes.iter().take(top).map(row).collect();
    table(&[Align::Left, Align::Left, Align::Right], &rows)
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

    pub(super) fn response() -> PredictResponse {
        PredictResponse {
            class: "cat".to_owned(),
            class_index: 1,
            probabilities: vec![0.05, 0.75, 0.2, 0.0],
            classes: ["deer", "cat", "dog", "automobile"].map(str::to_owned).to_vec(),
            checkpoint: "step-001955".to_owned(),
            checkpoint_accuracy: Some(0.8122),
            ..PredictResponse::default()
        }
    }

    #[test]
    fn files_go_together_and_downloads_alone() {
        let file = ImageAt::File("a".into());
        let url = ImageAt::Url("https://h/a".to_owned());
        let images = [vec![file.clone(); FILES + 1], vec![url.clone(), url, file.clone()]].concat();
        let sizes: Vec<usize> = groups(images).iter().map(Vec::len).collect();
        assert_eq!(sizes, [FILES, 1, 1, 1, 1]);
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
    fn words_stand_beside_the_middle_of_a_picture() {
        let picture = ["##", "##", "##", "##"].map(str::to_owned);
        let words = ["a", "b"].map(str::to_owned);
        assert_eq!(beside(&picture, 2, &words), "##\n##   a\n##   b\n##\n\n");
        assert_eq!(beside(&picture[..1], 2, &words), "##   a\n     b\n\n");
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
}
