//! Pictures of the data set.

use data::{Dataset, ImageShape};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

type Open = Box<dyn Fn() -> Result<Dataset, String> + Send + Sync>;

/// The test images of a run. They are opened when somebody first looks at one: opening reads all of them.
pub struct Images {
    open: Open,
    opened: Mutex<Option<std::sync::Arc<Dataset>>>,
}

impl fmt::Debug for Images {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Images").finish_non_exhaustive()
    }
}

impl Images {
    /// Those that `open` opens.
    pub fn new(open: impl Fn() -> Result<Dataset, String> + Send + Sync + 'static) -> Self {
        Self { open: Box::new(open), opened: Mutex::default() }
    }

    /// All of them. It may read a file: call it where that holds up nothing.
    pub(crate) fn get(&self) -> Result<std::sync::Arc<Dataset>, String> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dataset) = &*opened {
            return Ok(dataset.clone());
        }
        let dataset = std::sync::Arc::new((self.open)()?);
        *opened = Some(dataset.clone());
        Ok(dataset)
    }
}

/// An image as a PNG: `planes` are channel, row, column. Images of one channel are grey; of others the first three are shown.
pub(crate) fn png(planes: &[u8], shape: ImageShape) -> Result<Vec<u8>, png::EncodingError> {
    let area = (shape.width * shape.height) as usize;
    let channels = if shape.channels >= 3 { 3 } else { 1 };
    let pixels: Vec<u8> = (0..area)
        .flat_map(|place| (0..channels).map(move |channel| channel * area + place))
        .map(|at| planes[at])
        .collect();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, shape.width, shape.height);
    encoder.set_color(if channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let decoded = |planes: &[u8], channels| {
            let file = png(planes, ImageShape { channels, height: 1, width: 2 }).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            pixels
        };
        assert_eq!(decoded(&[1, 2, 3, 4, 5, 6], 3), [1, 3, 5, 2, 4, 6]);
        assert_eq!(decoded(&[1, 2], 1), [1, 2]);
    }
}
