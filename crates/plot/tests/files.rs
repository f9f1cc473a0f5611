//! The two files, read by others: XML by roxmltree, PNG by png.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use plot::{
    ClassCount, Classes, Colour, Confusion, CurvePoint, Curves, Drawing, Event, Grid, GridCell, Mark, Picture,
    PlotError, RunCurves, Shape, Style, Text, Theme,
};
use proptest::prelude::*;
use std::io::Cursor;

/// Width, height, and the pixels as RGBA.
fn decode(file: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(png::Transformations::ALPHA);
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    (info.width, info.height, bytes.as_chunks().0.to_vec())
}

/// Fails unless both files are what they should be. Returns the pixels.
fn both(drawing: &Drawing) -> Vec<[u8; 4]> {
    let svg = plot::svg(drawing);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let root = document.root_element();
    let (width, height, pixels) = decode(&plot::png(drawing, 1.0).unwrap());
    assert_eq!(root.attribute("width"), Some(width.to_string().as_str()));
    assert_eq!(root.attribute("height"), Some(height.to_string().as_str()));
    assert_eq!(pixels.len(), (width * height) as usize);
    for node in root.descendants().filter(roxmltree::Node::is_element) {
        assert!(
            ["svg", "title", "desc", "rect", "polyline", "circle", "text", "image"].contains(&node.tag_name().name())
        );
        for attribute in node.attributes().filter(|attribute| attribute.name() != "aria-label") {
            assert!(!attribute.value().contains("NaN") && !attribute.value().contains("inf"), "{attribute:?}");
        }
    }
    pixels
}

/// All text of an SVG.
fn texts(drawing: &Drawing) -> Vec<String> {
    let svg = plot::svg(drawing);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().to_owned()).collect()
}

fn cell(predicted: &str, truth: &str) -> GridCell {
    let picture = Picture::new(2, [255, 0, 255].repeat(4)).unwrap();
    GridCell { picture, predicted: predicted.to_owned(), truth: Some(truth.to_owned()) }
}

fn one(predicted: &str, truth: &str, style: Style) -> Drawing {
    plot::grid(&Grid { columns: 1, cells: vec![cell(predicted, truth)], style, ..Grid::default() })
}

#[test]
fn right_is_green_and_wrong_is_red() {
    for theme in [Theme::Light, Theme::Dark] {
        let (style, palette) = (Style { theme, transparent: false }, theme.palette());
        let count = |pixels: &[[u8; 4]], colour: Colour| {
            let [red, green, blue] = colour.rgb;
            pixels.iter().filter(|pixel| **pixel == [red, green, blue, 255]).count()
        };
        let right = both(&one("automobile", "automobile", style));
        let wrong = both(&one("automobile", "cat", style));
        assert!(count(&right, palette.right) > 20 && count(&right, palette.wrong) == 0);
        assert!(count(&wrong, palette.wrong) > 20 && count(&wrong, palette.right) == 0);
        // Of the image itself, enlarged to 96 pixels a side, every pixel is left.
        assert_eq!(count(&right, Colour::hex(0x00FF_00FF)), 96 * 96);
        assert_eq!(count(&wrong, Colour::hex(0x00FF_00FF)), 96 * 96);
    }
    assert!(texts(&one("dog", "cat", Style::default())).contains(&"dog (cat)".to_owned()));
}

#[test]
fn images_are_embedded_whole() {
    let svg = plot::svg(&one("cat", "cat", Style::default()));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let image = document.descendants().find(|node| node.has_tag_name("image")).unwrap();
    let encoded = image.attribute("href").unwrap().strip_prefix("data:image/png;base64,").unwrap();
    let file = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, encoded).unwrap();
    let (width, height, pixels) = decode(&file);
    // Enlarged, for viewers that would smooth it.
    assert_eq!((width, height, pixels), (96, 96, vec![[255, 0, 255, 255]; 96 * 96]));
}

#[test]
fn a_scale_multiplies_pixels() {
    let drawing = one("cat", "cat", Style::default());
    let (width, height, _) = decode(&plot::png(&drawing, 1.5).unwrap());
    let scaled = |length: u32| (1.5 * f64::from(length)).ceil() as u32;
    assert_eq!((width, height), (scaled(drawing.width()), scaled(drawing.height())));
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(matches!(plot::png(&drawing, scale), Err(PlotError::Scale(_))));
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let sizes = [(16_385.0, 1.0), (1.0, 16_385.0), (16_384.0, 4_097.0), (f32::INFINITY, f32::INFINITY)];
    for size in sizes {
        let error = plot::png(&Drawing::new(size, ""), 1.0).unwrap_err();
        assert!(matches!(error, PlotError::TooLarge { .. }), "{size:?}: {error}");
    }
    assert!(matches!(plot::png(&Drawing::new((10.0, 10.0), ""), 2_000.0), Err(PlotError::TooLarge { .. })));
    assert!(plot::png(&Drawing::new((16_384.0, 8.0), ""), 1.0).is_ok());
}

#[test]
fn a_transparent_background_is_left_out() {
    let drawing = one("cat", "cat", Style { theme: Theme::Light, transparent: true });
    assert_eq!(both(&drawing)[0], [0, 0, 0, 0]);
    assert_eq!(both(&one("cat", "cat", Style::default()))[0], [255; 4]);
}

#[test]
fn both_files_draw_at_the_same_place() {
    let mut drawing = Drawing::new((40.0, 30.0), "").on(Some(Colour::hex(0x00FF_FFFF)));
    let red = Colour::hex(0x00FF_0000);
    drawing.rectangle((10.0, 5.0), (20.0, 10.0), red);
    let inside = |x: usize, y: usize| (10..30).contains(&x) && (5..15).contains(&y);
    for (index, pixel) in both(&drawing).iter().enumerate() {
        let expected = if inside(index % 40, index / 40) { [255, 0, 0, 255] } else { [255; 4] };
        assert_eq!(*pixel, expected, "pixel {index}");
    }
    let svg = plot::svg(&drawing);
    assert!(svg.contains("<rect x=\"10\" y=\"5\" width=\"20\" height=\"10\" fill=\"#ff0000\"/>"), "{svg}");
}

#[test]
fn letters_lie_where_layout_has_them() {
    for upwards in [false, true] {
        let mut drawing = Drawing::new((120.0, 120.0), "").on(Some(Colour::hex(0x00FF_FFFF)));
        let text = Text::new((30.0, 90.0), "Habdq", 20.0, Colour::hex(0));
        let text = if upwards { text.upwards() } else { text };
        let [left, top, right, bottom] = text.covers();
        drawing.push(Shape::Text(text));
        let inked = both(&drawing).into_iter().enumerate().filter(|(_, pixel)| pixel[0] < 128);
        let places: Vec<(f32, f32)> = inked.map(|(index, _)| ((index % 120) as f32, (index / 120) as f32)).collect();
        assert!(places.len() > 100, "{} pixels", places.len());
        for (x, y) in places {
            assert!(x >= left - 1.0 && x <= right && y >= top - 1.0 && y <= bottom, "{x}, {y}, upwards: {upwards}");
        }
    }
}

/// What people, and others, may call a class.
fn name() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "</text><script>alert(1)</script>",
        "\" onload='x' &amp; &#0; ]]>",
        "<!-- --> <?xml?> <![CDATA[",
        "\u{0}\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}\u{85}\u{fffe}\u{ffff}",
        "\u{202e}\u{2066}abc\u{feff}",
        "漢字 🐈 и",
        "",
    ]);
    prop_oneof![hostile.prop_map(str::to_owned), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_names_make_whole_files(names in prop::collection::vec(name(), 1..6), transparent in any::<bool>()) {
        let style = Style { theme: Theme::Dark, transparent };
        let title = names[0].clone();
        let cells = names.iter().map(|name| cell(name, &title)).collect();
        both(&plot::grid(&Grid { title: title.clone(), subtitle: title.clone(), columns: 2, cells, style }));

        let class = |name: &String| ClassCount { name: name.clone(), right: 1, all: 2 };
        let classes = names.iter().map(class).collect();
        both(&plot::classes(&Classes { title: title.clone(), classes, style, ..Classes::default() }));

        let mut confusion = Confusion::new(names.clone(), vec![3; names.len() * names.len()]).unwrap();
        confusion.title = title.clone();
        both(&plot::confusion(&confusion));

        let point = CurvePoint { at: 1.0, train_loss: Some(1.0), ..CurvePoint::default() };
        let mark = Mark { at: 1.0, event: Event::Join, label: title.clone() };
        let run = |name: &String| RunCurves { name: name.clone(), points: vec![point], marks: vec![mark.clone()], best: None };
        let runs = names.iter().map(run).collect();
        both(&plot::curves(&Curves { title: title.clone(), runs, style, ..Curves::default() }));
    }
}
