//! The few words of a picture, as letters of five by seven dots.

/// Dots of a letter across, without the space behind it.
pub(super) const LETTER_WIDTH: usize = 5;
/// Dots of a letter from top to bottom.
pub(super) const LETTER_HEIGHT: usize = 7;

/// The rows of a letter from the top; the highest of five bits is the leftmost dot. What is no letter of a picture is
/// blank.
fn rows(letter: char) -> [u8; LETTER_HEIGHT] {
    match letter {
        'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        'Q' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10101, 0b10010, 0b01101],
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        'U' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'Y' => [0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100],
        _ => [0; LETTER_HEIGHT],
    }
}

/// The dots of a word, as places from its upper left corner: right, down.
pub(super) fn dots(word: &str) -> impl Iterator<Item = (usize, usize)> {
    word.chars().enumerate().flat_map(|(place, letter)| {
        rows(letter).into_iter().enumerate().flat_map(move |(down, row)| {
            let set = (0..LETTER_WIDTH).filter(move |right| row >> (LETTER_WIDTH - 1 - right) & 1 == 1);
            set.map(move |right| (place * (LETTER_WIDTH + 1) + right, down))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_one_behind_the_other() {
        let row = |word: &str, wanted: usize| -> String {
            let dots: Vec<(usize, usize)> = dots(word).collect();
            (0..11).map(|right| if dots.contains(&(right, wanted)) { '#' } else { '.' }).collect()
        };
        assert_eq!(row("AB", 0), ".###..####.");
        assert_eq!(row("AB", 3), "#####.####.");
        assert_eq!(dots("?").count(), 0);
    }
}
