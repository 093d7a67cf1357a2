use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lookalike_engine::{DecodeError, encode_png};
use lookalike_plugin_api::Image;
use maud::html;
use thiserror::Error;

/// Most images of one grid.
pub const MOST_GRID_IMAGES: usize = 5_000;

/// Side of an image in the grid, in pixels of the document.
const CELL: usize = 84;
/// Between images.
const GAP: usize = 10;
/// Height of a line of text.
const LINE: usize = 15;
/// Lines of a caption.
const CAPTION_LINES: usize = 2;
/// Characters of a caption that fit under an image, a line.
const LINE_CHARACTERS: usize = 14;
/// Width of the rows' names.
const NAME: usize = 150;

/// Images in rows, such as queries with their neighbours (figure 4 of the paper).
#[derive(Debug, Clone, PartialEq)]
pub struct ImageGrid {
    /// Above the grid.
    pub title: String,
    /// Names of the columns, from the left; there may be fewer than columns.
    pub columns: Vec<String>,
    /// The rows, from the top.
    pub rows: Vec<GridRow>,
}

/// A row of images.
#[derive(Debug, Clone, PartialEq)]
pub struct GridRow {
    /// Left of the row.
    pub name: String,
    /// Its images, from the left.
    pub cells: Vec<GridCell>,
}

/// An image with what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct GridCell {
    /// The image, shown pixel by pixel.
    pub image: Image,
    /// Under the image, a few words.
    pub caption: String,
    /// What is around it.
    pub mark: Mark,
}

/// What an image in a grid is, told by the line around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    /// Nothing is said.
    #[default]
    Plain,
    /// The query: a line with round corners.
    Query,
    /// The very image that the query was made from: a double line.
    Original,
    /// Of the query's label: a thick line.
    Right,
    /// Of another label: a dashed line.
    Wrong,
}

/// Why a grid cannot be drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GridError {
    /// There is no image.
    #[error("the grid \"{title}\" has no image; give it one at least")]
    Empty {
        /// The grid's title.
        title: String,
    },
    /// There are too many images for a document that can be looked at.
    #[error("the grid \"{title}\" has {found} images, the limit is {MOST_GRID_IMAGES}; make several of it")]
    TooMany {
        /// The grid's title.
        title: String,
        /// Images given.
        found: usize,
    },
    /// An image cannot be encoded.
    #[error("image {column} of row {row} of the grid cannot be encoded")]
    Encode {
        /// Its row, from 0.
        row: usize,
        /// Its place in the row, from 0.
        column: usize,
        /// Why.
        source: DecodeError,
    },
}

impl ImageGrid {
    /// The grid as one SVG document: the images are inside it as PNG data, and enlarged without smoothing.
    ///
    /// # Errors
    ///
    /// [`GridError`] when there is no image, when there are more than [`MOST_GRID_IMAGES`], or when one cannot be encoded.
    pub fn to_svg(&self) -> Result<String, GridError> {
        let images: usize = self.rows.iter().map(|row| row.cells.len()).sum();
        if images == 0 {
            return Err(GridError::Empty { title: self.title.clone() });
        }
        if images > MOST_GRID_IMAGES {
            return Err(GridError::TooMany { title: self.title.clone(), found: images });
        }
        let columns = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
        let (header, row_height) = (3 * LINE + GAP, CELL + CAPTION_LINES * LINE + GAP);
        let (width, height) =
            (NAME + columns * (CELL + GAP) + GAP, header + self.rows.len() * row_height + 2 * LINE);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"#282828\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        text(&mut svg, &self.title, GAP, LINE + 4, "font-size=\"16\"");
        for (at, name) in self.columns.iter().take(columns).enumerate() {
            let middle = NAME + at * (CELL + GAP) + CELL / 2;
            text(&mut svg, name, middle, header - GAP, "text-anchor=\"middle\" font-size=\"12\"");
        }
        for (number, row) in self.rows.iter().enumerate() {
            let top = header + number * row_height;
            for (line, words) in lines(&row.name, 22, 4).iter().enumerate() {
                text(&mut svg, words, GAP, top + 2 * LINE + line * LINE, "font-size=\"12\"");
            }
            for (at, cell) in row.cells.iter().enumerate() {
                let left = NAME + at * (CELL + GAP);
                cell.draw(&mut svg, left, top).map_err(|source| GridError::Encode {
                    row: number,
                    column: at,
                    source,
                })?;
            }
        }
        let marks = self.rows.iter().flat_map(|row| &row.cells).any(|cell| cell.mark != Mark::Plain);
        if marks {
            let key = "round: query    double: its original    thick: same label    dashed: another label";
            text(&mut svg, key, GAP, height - GAP, "font-size=\"11\" xml:space=\"preserve\"");
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }
}

impl GridCell {
    fn draw(&self, svg: &mut String, left: usize, top: usize) -> Result<(), DecodeError> {
        let png = STANDARD.encode(encode_png(&self.image)?);
        push(
            svg,
            format_args!(
                "<image x=\"{left}\" y=\"{top}\" width=\"{CELL}\" height=\"{CELL}\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{png}\"/>\n"
            ),
        );
        let mut outline = |out: usize, style: &str| {
            let side = CELL + 2 * out;
            push(
                svg,
                format_args!(
                    "<rect x=\"{}\" y=\"{}\" width=\"{side}\" height=\"{side}\" fill=\"none\" {style}/>\n",
                    left - out,
                    top - out
                ),
            );
        };
        match self.mark {
            Mark::Plain => outline(0, "stroke=\"#bbbbbb\""),
            Mark::Query => outline(4, "stroke=\"#000000\" stroke-width=\"2\" rx=\"12\""),
            Mark::Original => {
                outline(0, "stroke=\"#009e73\" stroke-width=\"2\"");
                outline(4, "stroke=\"#009e73\" stroke-width=\"2\"");
            }
            Mark::Right => outline(1, "stroke=\"#0072b2\" stroke-width=\"3\""),
            Mark::Wrong => outline(1, "stroke=\"#d55e00\" stroke-width=\"2\" stroke-dasharray=\"5 4\""),
        }
        for (line, words) in lines(&self.caption, LINE_CHARACTERS, CAPTION_LINES).iter().enumerate() {
            let down = top + CELL + LINE + line * (LINE - 2);
            text(svg, words, left + CELL / 2, down, "text-anchor=\"middle\"");
        }
        Ok(())
    }
}

fn push(svg: &mut String, words: std::fmt::Arguments<'_>) {
    svg.write_fmt(words).expect("a string takes every character");
}

fn text(svg: &mut String, words: &str, x: usize, y: usize, style: &str) {
    // XML has no control characters at all.
    let words = words.replace(char::is_control, "");
    push(svg, format_args!("<text x=\"{x}\" y=\"{y}\" {style}>{}</text>\n", html! { (words) }.into_string()));
}

/// Words in at most `most` lines of at most `length` characters; what is too long ends in dots.
fn lines(words: &str, length: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= length => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let cut = lines.len() > most;
    lines.truncate(most);
    let last = lines.len().saturating_sub(1);
    for (at, line) in lines.iter_mut().enumerate() {
        if line.chars().count() > length || (cut && at == last) {
            *line = line.chars().take(length.saturating_sub(2)).chain("..".chars()).collect();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use lookalike_datasets::GlyphSet;

    use super::*;

    fn grid() -> ImageGrid {
        let set = GlyphSet::new(1);
        let marks = [Mark::Query, Mark::Original, Mark::Right, Mark::Wrong, Mark::Plain];
        let row = |name: &str, from: u64| GridRow {
            name: name.to_owned(),
            cells: marks
                .into_iter()
                .zip(from..)
                .map(|(mark, index)| {
                    let glyph = set.glyph(index);
                    GridCell { image: glyph.image, caption: format!("{} 0.{index}31", glyph.name), mark }
                })
                .collect(),
        };
        ImageGrid {
            title: "Neighbours of <disturbed> queries".to_owned(),
            columns: ["query", "1", "2", "3", "4"].map(str::to_owned).to_vec(),
            rows: vec![row("whitened cosine", 10), row("TMM shared, optimised trigger & views", 20)],
        }
    }

    #[test]
    fn images_and_captions_are_inside_and_text_is_escaped() {
        let svg = grid().to_svg().unwrap();
        assert_eq!(svg.matches("data:image/png;base64,").count(), 10);
        assert!(svg.contains("&lt;disturbed&gt;") && !svg.contains("<disturbed>"));
        assert!(svg.contains("trigger &amp; views"), "{svg}");
    }

    #[test]
    fn long_captions_are_cut() {
        assert_eq!(lines("a bb ccc", 4, 2), ["a bb", "ccc"]);
        assert_eq!(lines("aaaaaaaa bb cc dd", 5, 2), ["aaa..", "bb .."]);
        assert!(lines("", 5, 2).is_empty());
    }

    #[test]
    fn a_grid_without_images_is_refused() {
        let empty = ImageGrid { rows: vec![], ..grid() };
        assert!(matches!(empty.to_svg(), Err(GridError::Empty { .. })));
        let mut many = grid();
        let row =
            GridRow { name: String::new(), cells: vec![many.rows[0].cells[0].clone(); MOST_GRID_IMAGES] };
        many.rows.push(row);
        assert!(matches!(many.to_svg(), Err(GridError::TooMany { found: 5_010, .. })));
    }
}
