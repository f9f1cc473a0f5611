//! Pictures on their way to the coordinator and back.

use super::pin::Pin;
use crate::{NAME, connect::Coordinator, error::Failure, image::ImageAt, thumbnail::Thumbnail};
use program::{say, text::one_line};
use proto::{
    Malformed,
    v1::{Image, PredictRequest, PredictResponse, Prediction, image::Content, predict_request},
};
use tokio::task::spawn_blocking;

/// The most bytes of a request with several files.
const BYTES: usize = 16 << 20;

/// A picture, by its name, as it is drawn, and what came of it.
pub(super) type Answered = (String, Option<Thumbnail>, Result<PredictResponse, Failure>);
/// A picture that is sent.
type Sent = (String, Option<Thumbnail>, Vec<u8>);

/// What is in the pictures of `group`, which are drawn with so many pixels a side. As many as fit go in a request.
pub(super) async fn ask(
    coordinator: Coordinator,
    group: Vec<ImageAt>,
    pin: Pin,
    side: Option<u32>,
) -> Result<Vec<Answered>, Failure> {
    let (mut answered, mut together, mut bytes) = (Vec::new(), Vec::new(), 0);
    for source in group {
        let image = source.to_string();
        let read = move || {
            let file = source.bytes()?;
            Ok((side.and_then(|side| Thumbnail::of(&file, side)), file))
        };
        match spawn_blocking(read).await? {
            Ok((thumbnail, file)) => {
                if bytes + file.len() > BYTES {
                    answered.extend(send(&coordinator, std::mem::take(&mut together), &pin).await?);
                    bytes = 0;
                }
                bytes += file.len();
                together.push((image, thumbnail, file));
            }
            Err(failure) => {
                answered.extend(send(&coordinator, std::mem::take(&mut together), &pin).await?);
                bytes = 0;
                answered.push((image, None, Err(failure)));
            }
        }
    }
    answered.extend(send(&coordinator, together, &pin).await?);
    Ok(answered)
}

/// What is in `files`: all in one request, and if that is refused, each in its own. So a bad one is found.
async fn send(coordinator: &Coordinator, files: Vec<Sent>, pin: &Pin) -> Result<Vec<Answered>, Failure> {
    if files.len() > 1 {
        let image = |(_, _, file): &Sent| Image { content: Some(Content::File(file.clone())) };
        let images = files.iter().map(image).collect();
        let request = PredictRequest { images, model: Some(pin.selector()), ..PredictRequest::default() };
        match coordinator.predict(request).await {
            Ok(response) => {
                pin.take(&response.checkpoint);
                let files = files.into_iter().zip(apart(response)?);
                return Ok(files.map(|((name, thumbnail, _), response)| (name, thumbnail, Ok(response))).collect());
            }
            Err(Failure::Rejected { .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    let mut answered = Vec::with_capacity(files.len());
    for (image, thumbnail, file) in files {
        let answer = match alone(coordinator, file, pin, &image).await {
            Err(Failure::Rejected { message }) => Err(Failure::Image { image: image.clone(), why: one_line(&message) }),
            Ok(response) => check(response),
            Err(failure) => Err(failure),
        };
        answered.push((image, thumbnail, answer));
    }
    Ok(answered)
}

/// What is in one file. A checkpoint that was deleted since it answered before is no fault of the picture.
async fn alone(coordinator: &Coordinator, file: Vec<u8>, pin: &Pin, image: &str) -> Result<PredictResponse, Failure> {
    // Whether it is a picture or raw pixels is seen where the data set is known.
    let request = |model| {
        let first = Some(predict_request::Image::File(file.clone()));
        PredictRequest { image: first, model: Some(model), ..PredictRequest::default() }
    };
    let answer = coordinator.predict(request(pin.selector())).await;
    let answer = match (answer, pin.pinned()) {
        (Err(Failure::Rejected { message }), Some(gone)) => {
            // Somebody else may have found that out before.
            let model = if pin.pinned().as_deref() == Some(&*gone) { pin.asked() } else { pin.selector() };
            let again = coordinator.predict(request(model)).await;
            let again = again.map_err(|_| Failure::Rejected { message })?;
            if again.checkpoint != gone && pin.replace(&gone, &again.checkpoint) {
                let (gone, now) = (one_line(&gone), one_line(&again.checkpoint));
                say(NAME, &format!("{gone} was deleted meanwhile: from {} on {now} answers", one_line(image)));
            }
            again
        }
        (answer, _) => answer?,
    };
    pin.take(&answer.checkpoint);
    Ok(answer)
}

/// An answer for each image of `response`.
fn apart(mut response: PredictResponse) -> Result<Vec<PredictResponse>, Failure> {
    let predictions = std::mem::take(&mut response.predictions);
    let of_one = |prediction: Prediction| {
        let Prediction { class, class_index, probabilities } = prediction;
        check(PredictResponse { class, class_index, probabilities, ..response.clone() })
    };
    predictions.into_iter().map(of_one).collect()
}

/// Only an answer that names a probability for each class can be shown.
fn check(response: PredictResponse) -> Result<PredictResponse, Failure> {
    if response.classes.is_empty() || response.classes.len() != response.probabilities.len() {
        return Err(Malformed::new("a prediction without a probability for each class").into());
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::tests::response;

    #[test]
    fn an_answer_of_many_images_is_many_answers() {
        let of = |class_index| Prediction {
            class: response().classes[class_index as usize].clone(),
            class_index,
            probabilities: response().probabilities,
        };
        let all = PredictResponse { predictions: vec![of(1), of(2)], ..response() };
        let expected = PredictResponse { class: "dog".to_owned(), class_index: 2, ..response() };
        assert_eq!(apart(all).unwrap(), [response(), expected]);
    }

    #[test]
    fn an_answer_without_probabilities_is_refused() {
        assert!(check(response()).is_ok());
        assert!(check(PredictResponse { probabilities: Vec::new(), ..response() }).is_err());
        assert!(check(PredictResponse::default()).is_err());
    }
}
