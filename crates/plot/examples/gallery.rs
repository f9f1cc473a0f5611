//! Draws every kind of picture, for looking at them: `gallery FOLDER [DATA]`.
//!
//! Each is written to the folder as SVG and as PNG. With a data directory that has CIFAR-10, the grid shows its test images.

use data::Split;
use plot::{
    ClassCount, Classes, Confusion, CurvePoint, Curves, Drawing, Event, Grid, GridCell, Horizontal, Mark, Order,
    Picture, RunCurves, Style, Theme,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CIFAR10: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("usage: gallery FOLDER [DATA]")?;
    let images = images(arguments.next().as_deref())?;
    std::fs::create_dir_all(&folder)?;
    for (name, theme) in [("light", Theme::Light), ("dark", Theme::Dark)] {
        let style = Style { theme, transparent: false };
        for epochs in [0, 1, 2, 20, 1_000] {
            write(&folder, &format!("curves-{epochs}-{name}"), || plot::curves(&one_run(epochs, style)))?;
        }
        write(&folder, &format!("compare-{name}"), || plot::curves(&three_runs(style)))?;
        write(&folder, &format!("diverged-{name}"), || plot::curves(&diverged(style)))?;
        write(&folder, &format!("grid-{name}"), || plot::grid(&grid(&images, style)))?;
        for count in [10, 100] {
            let matrix = confusion(count, style)?;
            write(&folder, &format!("confusion-{count}-{name}"), || plot::confusion(&matrix))?;
            write(&folder, &format!("classes-{count}-{name}"), || plot::classes(&classes(count, style)))?;
        }
    }
    let style = Style { theme: Theme::Light, transparent: true };
    write(&folder, "transparent", || plot::curves(&one_run(20, style)))?;
    write(&folder, "hostile", || plot::grid(&hostile(&images)))
}

/// Writes both files, and says how long each took: the quickest of five times, drawing included.
fn write(folder: &Path, name: &str, draw: impl Fn() -> Drawing) -> Result<(), Box<dyn Error>> {
    let (svg, svg_time) = quickest(|| plot::svg(&draw()));
    let (png, png_time) = quickest(|| plot::png(&draw(), 2.0));
    println!(
        "{name}: {} as SVG, {} as PNG",
        told(svg.len(), svg_time),
        told(png.as_ref().map_or(0, Vec::len), png_time)
    );
    std::fs::write(folder.join(format!("{name}.svg")), svg)?;
    std::fs::write(folder.join(format!("{name}.png")), png?)?;
    Ok(())
}

fn quickest<T>(make: impl Fn() -> T) -> (T, Duration) {
    let mut least = Duration::MAX;
    for _ in 0..4 {
        let begin = Instant::now();
        make();
        least = least.min(begin.elapsed());
    }
    let begin = Instant::now();
    let made = make();
    (made, least.min(begin.elapsed()))
}

fn told(bytes: usize, time: Duration) -> String {
    format!("{} KiB in {:.2} ms", bytes / 1024, 1e3 * time.as_secs_f64())
}

/// A number from -1 to 1 that looks like chance: the same for the same `index`.
fn noise(index: u32, of: u32) -> f64 {
    let mut bits = index.wrapping_mul(0x9E37_79B9) ^ of.wrapping_mul(0x85EB_CA6B);
    for _ in 0..3 {
        bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
    }
    f64::from(bits) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Curves that look like those of a ResNet on CIFAR-10, with a rate that falls twice.
fn learning(epochs: u32, name: &str, of: u32, ceiling: f64) -> RunCurves {
    let all = f64::from(epochs.max(1));
    let points: Vec<CurvePoint> = (1..=epochs)
        .map(|epoch| {
            let at = f64::from(epoch);
            let done = at / all;
            let rate = if done <= 0.5 {
                0.1
            } else if done <= 0.75 {
                0.01
            } else {
                0.001
            };
            let calm = if rate > 0.05 { 1.0 } else { 0.15 };
            let learned = 1.0 - 0.55 * (-6.0 * done).exp() - if rate > 0.05 { 0.08 } else { 0.0 };
            let wobble = 0.03 * calm * noise(epoch, of);
            let train = (ceiling + 0.05) * learned + 0.2 * wobble;
            let test = ceiling * learned - 0.02 * calm + wobble;
            CurvePoint {
                at,
                train_loss: Some(2.6 * (1.02 - train)),
                test_loss: Some(2.3 * (1.06 - test)),
                train_accuracy: Some(train),
                test_accuracy: Some(test),
                rate: Some(rate),
            }
        })
        .collect();
    let mut run = RunCurves { name: name.to_owned(), points, ..RunCurves::default() };
    run.best = run.most_accurate();
    run
}

fn one_run(epochs: u32, style: Style) -> Curves {
    let mut run = learning(epochs, "resnet20", 1, 0.92);
    let mark = |share: f64, event, label: &str| Mark {
        at: (share * f64::from(epochs)).round() + 1.0,
        event,
        label: label.to_owned(),
    };
    if epochs >= 20 {
        run.marks = vec![
            mark(0.2, Event::Join, "worker 3 joined"),
            mark(0.35, Event::Recovery, "worker 1 lost"),
            mark(0.5, Event::Rate, "rate 0.01"),
            mark(0.6, Event::Checkpoint, ""),
            mark(0.75, Event::Rate, "rate 0.001"),
        ];
    }
    Curves {
        title: "resnet20 on CIFAR-10".to_owned(),
        subtitle: format!("{epochs} epochs, batch 128, SGD with momentum 0.9, seed 7, 4 workers"),
        runs: vec![run],
        smoothing: if epochs > 100 { 0.9 } else { 0.0 },
        log_rate: epochs >= 20,
        style,
        ..Curves::default()
    }
}

fn three_runs(style: Style) -> Curves {
    let names = [("resnet20, rate 0.1", 0.92), ("resnet20, rate 0.1, label smoothing 0.1", 0.935), ("resnet8", 0.86)];
    let runs = names.iter().zip(1..).map(|(&(name, ceiling), of)| learning(40, name, of, ceiling)).collect();
    Curves {
        title: "Three runs".to_owned(),
        subtitle: "40 epochs on CIFAR-10".to_owned(),
        runs,
        style,
        ..Curves::default()
    }
}

/// A run by steps whose loss was enormous and then no number, on a logarithmic axis.
fn diverged(style: Style) -> Curves {
    let mut run = learning(60, "rate 10", 5, 0.4);
    for (index, point) in run.points.iter_mut().enumerate() {
        point.at *= 391.0;
        point.train_loss = match index {
            20..=26 => Some(f64::NAN),
            10..=19 => Some(10f64.powi(index as i32 - 8)),
            _ => point.train_loss,
        };
        point.test_loss = point.test_loss.filter(|_| index % 5 == 0);
    }
    run.best = None;
    let title = "A run that diverged".to_owned();
    Curves { title, runs: vec![run], horizontal: Horizontal::Step, log_loss: true, style, ..Curves::default() }
}

/// 64 test images with their labels; without CIFAR-10, coloured squares.
fn images(directory: Option<&Path>) -> Result<Vec<(Picture, usize)>, Box<dyn Error>> {
    let Some(directory) = directory else {
        let colour = |class: usize| [25 * class as u8, 200, 255 - 20 * class as u8].repeat(64);
        return (0..64).map(|index| Ok((Picture::new(8, colour(index % 10))?, index % 10))).collect();
    };
    let spec = Arc::new(importers::named("cifar10")?.import(directory)?);
    let test = importers::open(&spec, directory, Split::Test, Some(64))?;
    (0..64).map(|index| Ok((Picture::from_planes(32, test.pixels(index))?, usize::from(test.label(index))))).collect()
}

fn grid(images: &[(Picture, usize)], style: Style) -> Grid {
    let cell = |(index, (picture, class)): (usize, &(Picture, usize))| {
        let predicted = if index % 9 == 4 { (class * 7 + 1) % 10 } else { *class };
        let name = |class: usize| CIFAR10[class].to_owned();
        GridCell { picture: picture.clone(), predicted: name(predicted), truth: Some(name(*class)) }
    };
    Grid {
        title: "resnet20 on CIFAR-10".to_owned(),
        subtitle: "Checkpoint of epoch 20, the first 64 images of the test set".to_owned(),
        columns: 8,
        cells: images.iter().enumerate().map(cell).collect(),
        style,
    }
}

fn hostile(images: &[(Picture, usize)]) -> Grid {
    let names = [
        "<script>alert('&')</script>",
        "a \"name\"\u{0}\u{1b}[31m",
        "漢字 и ελληνικά",
        "é ö ş ž 🐈",
        "",
        "a name that is much too long for its place",
    ];
    let cell = |(index, (picture, _)): (usize, &(Picture, usize))| GridCell {
        picture: picture.clone(),
        predicted: names[index % 6].to_owned(),
        truth: [None, Some(names[index % 6].to_owned()), Some(names[(index + 1) % 6].to_owned())][index % 3].clone(),
    };
    let cells = images.iter().take(6).enumerate().map(cell).collect();
    Grid {
        title: names.join(" "),
        subtitle: "names that nobody should give".to_owned(),
        columns: 3,
        cells,
        style: Style::default(),
    }
}

fn name(class: usize, of: usize) -> String {
    if of == 10 { CIFAR10[class].to_owned() } else { format!("class number {}", class + 1) }
}

fn confusion(count: usize, style: Style) -> Result<Confusion, Box<dyn Error>> {
    let each = |truth: usize, predicted: usize| {
        let near = u32::from(truth.abs_diff(predicted) <= 2 || (truth * predicted) % 7 == 5);
        let chance = f64::midpoint(1.0, noise((truth * count + predicted) as u32, 3));
        let hits = 780.0 + 200.0 * f64::midpoint(1.0, noise(truth as u32, 8));
        if truth == predicted { hits } else { chance * chance * (4.0 + 46.0 * f64::from(near)) }
    };
    let counts = (0..count * count).map(|pair| each(pair / count, pair % count) as u64).collect();
    let mut confusion = Confusion::new((0..count).map(|class| name(class, count)).collect(), counts)?;
    "Which classes are taken for which".clone_into(&mut confusion.title);
    "resnet20, epoch 20, test set".clone_into(&mut confusion.subtitle);
    confusion.style = style;
    Ok(confusion)
}

fn classes(count: usize, style: Style) -> Classes {
    let class = |class: usize| ClassCount {
        name: name(class, count),
        right: 820 + (160.0 * f64::midpoint(1.0, noise(class as u32, 8))) as u64,
        all: 1_000,
    };
    Classes {
        title: "Accuracy by class".to_owned(),
        subtitle: "resnet20, epoch 20, test set".to_owned(),
        classes: (0..count).map(class).collect(),
        order: Order::WorstFirst,
        style,
    }
}
