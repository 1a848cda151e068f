//! Observations as columns, and back.
//!
//! Observations are taken apart by their shape as serde tells it, not by hand for each
//! kind: a kind that is added tomorrow is recorded, and compressed, without a line here.
//! Every place in the shape (`seen.took_ms` of a check's result) has a column of its own.
//!
//! What makes the columns small:
//! - a text is written once in a segment and is a number from then on, until
//!   [`WORDS_BYTES_MAX`] of them are known;
//! - a number is written as its difference from the last one in the same place of the
//!   same subject (the object with the same texts: this run, this check);
//! - times are numbers.
//!
//! Writer and reader keep the same [`Shape`] by walking the same values in the same order,
//! so that nothing of it is written twice. The price: a block can only be read after those
//! before it in its segment. Replay could not use it without them either.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::Observation;
use serde_json::{Map, Number, Value};

use super::Damage;
use super::numbers::{Reader, Writer};

/// Texts remembered in one segment, in bytes and number; later ones are written each time.
const WORDS_BYTES_MAX: usize = 8 << 20;
const WORDS_MAX: usize = 1 << 18;

/// Subjects whose last numbers are remembered; then all are forgotten and learnt anew.
const SUBJECTS_MAX: usize = 1 << 16;

/// Objects in objects that are read: observations have five.
const DEPTH_MAX: usize = 64;

const NULL: i64 = 0;
const FALSE: i64 = 1;
const TRUE: i64 = 2;
const WHOLE: i64 = 3;
/// A whole number above `i64::MAX`, as its bits.
const LARGE: i64 = 4;
/// A number with a fraction, as its bits.
const REAL: i64 = 5;
/// A point in time, nanoseconds since 1970.
const TIME: i64 = 6;
/// A text that is known by its number.
const WORD: i64 = 7;
/// A text written out.
const TEXT: i64 = 8;
const LIST: i64 = 9;
/// An object; which fields it has is added to this.
const OBJECT: i64 = 10;

/// What writer and reader of a segment both know.
#[derive(Debug)]
struct Shape {
    words: Vec<Arc<str>>,
    words_bytes: usize,
    /// Which fields an object has: their names as words, in order.
    field_lists: Vec<Vec<u32>>,
    places: Vec<Place>,
    /// The last numbers of a subject, by the place of its first field and its texts.
    last: HashMap<(usize, Vec<u32>), Vec<i64>>,
}

#[derive(Debug, Default)]
struct Place {
    /// The place of a list's elements.
    elements: Option<usize>,
    /// The place of an object's first field, by its list of fields; the others follow.
    fields: BTreeMap<usize, usize>,
}

impl Shape {
    fn new() -> Self {
        Self {
            words: Vec::new(),
            words_bytes: 0,
            field_lists: Vec::new(),
            places: vec![Place::default()],
            last: HashMap::new(),
        }
    }

    fn add_word(&mut self, word: Arc<str>) {
        self.words_bytes += word.len();
        self.words.push(word);
    }

    fn elements_of(&mut self, place: usize) -> usize {
        let next = self.places.len();
        let found = *self.places[place].elements.get_or_insert(next);
        if found == next {
            self.places.push(Place::default());
        }
        found
    }

    fn fields_of(&mut self, place: usize, list: usize) -> usize {
        let next = self.places.len();
        let found = *self.places[place].fields.entry(list).or_insert(next);
        if found == next {
            let fields = self.field_lists[list].len();
            self.places.extend((0..fields).map(|_| Place::default()));
        }
        found
    }

    /// Takes the last numbers of a subject; they are put back with [`Shape::keep`].
    fn last_of(&mut self, subject: &(usize, Vec<u32>), fields: usize) -> Vec<i64> {
        let mut last = self.last.remove(subject).unwrap_or_default();
        // An object without fields takes no place: the one that comes next has its number,
        // and would find nothing kept for any of its fields.
        if last.len() < fields {
            last.resize(fields, 0);
        }
        last
    }

    fn keep(&mut self, subject: (usize, Vec<u32>), last: Vec<i64>) {
        if self.last.len() >= SUBJECTS_MAX {
            self.last.clear();
        }
        self.last.insert(subject, last);
    }
}

#[derive(Debug, Default, Clone)]
struct Column {
    tags: Vec<i64>,
    numbers: Vec<i64>,
}

/// Takes observations apart, for one segment.
#[derive(Debug)]
pub(super) struct Shredder {
    shape: Shape,
    word_ids: HashMap<Arc<str>, u32>,
    field_list_ids: HashMap<Vec<u32>, usize>,
    /// How much of the shape stands in blocks already.
    words_told: usize,
    lists_told: usize,
    columns: Vec<Column>,
    texts: Vec<String>,
    lags: Vec<i64>,
}

impl Shredder {
    pub(super) fn new() -> Self {
        Self {
            shape: Shape::new(),
            word_ids: HashMap::new(),
            field_list_ids: HashMap::new(),
            words_told: 0,
            lists_told: 0,
            columns: Vec::new(),
            texts: Vec::new(),
            lags: Vec::new(),
        }
    }

    /// Takes one observation of a step at `now` apart. `Err` where serde cannot write it,
    /// which none of ours does; nothing was taken then.
    pub(super) fn take(&mut self, seen: &Observation, now: Timestamp) -> serde_json::Result<()> {
        let mut value = serde_json::to_value(seen)?;
        // When it was seen is told by how long before its step that was: mostly nothing.
        let lag = now.as_nanosecond() - seen.at.as_nanosecond();
        match (i64::try_from(lag), &mut value) {
            (Ok(lag), Value::Object(fields)) => {
                fields.remove("at");
                self.lags.push(lag);
            }
            _ => self.lags.push(0),
        }
        let alone = &mut 0;
        self.put(0, &value, alone);
        Ok(())
    }

    /// What was taken since the last block, and what of the shape is new with it.
    pub(super) fn block(&mut self, out: &mut Writer) {
        let Self { shape, .. } = self;
        out.count(self.words_told as u64);
        out.texts(shape.words[self.words_told..].iter().map(|word| &**word));
        self.words_told = shape.words.len();
        out.count(self.lists_told as u64);
        let lists = &shape.field_lists[self.lists_told..];
        out.count(lists.len() as u64);
        for list in lists {
            let names: Vec<i64> = list.iter().map(|name| i64::from(*name)).collect();
            out.column(&names);
        }
        self.lists_told = shape.field_lists.len();
        out.column(&self.lags);
        self.lags.clear();
        out.texts(self.texts.iter().map(String::as_str));
        self.texts.clear();
        let used = self.columns.iter().filter(|c| !c.tags.is_empty()).count();
        out.count(used as u64);
        for (place, column) in self.columns.iter_mut().enumerate() {
            if !column.tags.is_empty() {
                out.count(place as u64);
                out.column(&column.tags);
                out.column(&column.numbers);
                column.tags.clear();
                column.numbers.clear();
            }
        }
    }

    fn column(&mut self, place: usize) -> &mut Column {
        if self.columns.len() <= place {
            self.columns.resize(place + 1, Column::default());
        }
        &mut self.columns[place]
    }

    fn tag(&mut self, place: usize, tag: i64) {
        self.column(place).tags.push(tag);
    }

    fn number(&mut self, place: usize, tag: i64, number: i64) {
        let column = self.column(place);
        column.tags.push(tag);
        column.numbers.push(number);
    }

    fn difference(&mut self, place: usize, tag: i64, number: i64, last: &mut i64) {
        self.number(place, tag, number.wrapping_sub(*last));
        *last = number;
    }

    fn put(&mut self, place: usize, value: &Value, last: &mut i64) {
        match value {
            Value::Null => self.tag(place, NULL),
            Value::Bool(false) => self.tag(place, FALSE),
            Value::Bool(true) => self.tag(place, TRUE),
            Value::Number(number) => {
                if let Some(whole) = number.as_i64() {
                    self.difference(place, WHOLE, whole, last);
                } else if let Some(large) = number.as_u64() {
                    self.number(place, LARGE, large.cast_signed());
                } else {
                    let bits = number.as_f64().unwrap_or_default().to_bits();
                    self.number(place, REAL, bits.cast_signed());
                }
            }
            Value::String(text) => match time(text) {
                Some(time) => self.difference(place, TIME, time, last),
                None => self.put_text(place, text),
            },
            Value::Array(list) => {
                self.number(place, LIST, list.len() as i64);
                let elements = self.shape.elements_of(place);
                for value in list {
                    self.put(elements, value, &mut 0);
                }
            }
            Value::Object(fields) => self.put_object(place, fields),
        }
    }

    /// Returns the text's number where it has one.
    fn put_text(&mut self, place: usize, text: &str) {
        match self.word(text) {
            Some(word) => self.number(place, WORD, i64::from(word)),
            None => {
                self.tag(place, TEXT);
                self.texts.push(text.to_owned());
            }
        }
    }

    fn put_object(&mut self, place: usize, fields: &Map<String, Value>) {
        let list = self.field_list(fields);
        self.tag(place, OBJECT + list as i64);
        let first = self.shape.fields_of(place, list);
        // Texts first: they say whose numbers the others are.
        let mut words = Vec::new();
        for (at, value) in fields.values().enumerate() {
            if let Value::String(text) = value
                && time(text).is_none()
            {
                self.put_text(first + at, text);
                words.extend(self.word_ids.get(text.as_str()));
            }
        }
        let subject = (first, words);
        let mut last = self.shape.last_of(&subject, fields.len());
        for ((at, value), last) in fields.values().enumerate().zip(&mut last) {
            if !matches!(value, Value::String(text) if time(text).is_none()) {
                self.put(first + at, value, last);
            }
        }
        self.shape.keep(subject, last);
    }

    fn word(&mut self, text: &str) -> Option<u32> {
        if let Some(known) = self.word_ids.get(text) {
            return Some(*known);
        }
        let words = self.shape.words.len();
        if words >= WORDS_MAX || self.shape.words_bytes + text.len() > WORDS_BYTES_MAX {
            return None;
        }
        Some(self.new_word(text))
    }

    fn new_word(&mut self, text: &str) -> u32 {
        let id = u32::try_from(self.shape.words.len()).unwrap_or(u32::MAX);
        let word: Arc<str> = text.into();
        self.shape.add_word(word.clone());
        self.word_ids.insert(word, id);
        id
    }

    fn field_list(&mut self, fields: &Map<String, Value>) -> usize {
        let mut names = Vec::with_capacity(fields.len());
        for name in fields.keys() {
            let known = self.word_ids.get(name.as_str()).copied();
            // Names are few, and have room beyond the bound.
            names.push(known.unwrap_or_else(|| self.new_word(name)));
        }
        if let Some(known) = self.field_list_ids.get(&names) {
            return *known;
        }
        let id = self.shape.field_lists.len();
        self.shape.field_lists.push(names.clone());
        self.field_list_ids.insert(names, id);
        id
    }
}

/// A point in time that is written in the one way we write it.
fn time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let looks_like =
        (20..=30).contains(&bytes.len()) && bytes[10] == b'T' && bytes.last() == Some(&b'Z');
    if !looks_like {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    let nanoseconds = i64::try_from(time.as_nanosecond()).ok()?;
    (time.to_string() == text).then_some(nanoseconds)
}

/// Puts observations together again, for one segment.
#[derive(Debug)]
pub(super) struct Assembler {
    shape: Shape,
}

/// The columns of one block, being read from their beginnings.
struct Block<'a> {
    columns: HashMap<usize, (std::vec::IntoIter<i64>, std::vec::IntoIter<i64>)>,
    texts: std::vec::IntoIter<&'a str>,
    lags: std::vec::IntoIter<i64>,
}

impl Block<'_> {
    fn tag(&mut self, place: usize) -> Result<i64, Damage> {
        let column = self.columns.get_mut(&place).ok_or(Damage::SHORT)?;
        column.0.next().ok_or(Damage::SHORT)
    }

    fn number(&mut self, place: usize) -> Result<i64, Damage> {
        let column = self.columns.get_mut(&place).ok_or(Damage::SHORT)?;
        column.1.next().ok_or(Damage::SHORT)
    }
}

impl Assembler {
    pub(super) fn new() -> Self {
        Self {
            shape: Shape::new(),
        }
    }

    /// The observations of one block, as many as each step has.
    pub(super) fn block(
        &mut self,
        bytes: &mut Reader<'_>,
        steps: impl Iterator<Item = (Timestamp, usize)>,
    ) -> Result<Vec<Vec<Observation>>, Damage> {
        let mut block = self.read(bytes)?;
        let mut all = Vec::new();
        for (now, count) in steps {
            let mut inputs = Vec::with_capacity(count.min(1024));
            for _ in 0..count {
                let mut value = self.get(&mut block, 0, &mut 0, 0)?;
                let lag = block.lags.next().ok_or(Damage::SHORT)?;
                if let Value::Object(fields) = &mut value
                    && !fields.contains_key("at")
                {
                    let at = Timestamp::from_nanosecond(now.as_nanosecond() - i128::from(lag))
                        .map_err(|_| Damage("a time past the end of time"))?;
                    fields.insert("at".into(), Value::String(at.to_string()));
                }
                let seen = serde_json::from_value(value)
                    .map_err(|_| Damage("an observation that this version does not know"))?;
                inputs.push(seen);
            }
            all.push(inputs);
        }
        Ok(all)
    }

    fn read<'a>(&mut self, bytes: &mut Reader<'a>) -> Result<Block<'a>, Damage> {
        if bytes.length()? != self.shape.words.len() {
            return Err(Damage::OUT_OF_ORDER);
        }
        for word in bytes.texts()? {
            self.shape.add_word(word.into());
        }
        if bytes.length()? != self.shape.field_lists.len() {
            return Err(Damage::OUT_OF_ORDER);
        }
        for _ in 0..bytes.length()? {
            let names = bytes.column()?;
            let known = |name: &i64| {
                let name = u32::try_from(*name).ok()?;
                ((name as usize) < self.shape.words.len()).then_some(name)
            };
            let names: Option<Vec<u32>> = names.iter().map(known).collect();
            let names = names.ok_or(Damage("a field without a name"))?;
            self.shape.field_lists.push(names);
        }
        let lags = bytes.column()?.into_iter();
        let texts = bytes.texts()?.into_iter();
        let mut columns = HashMap::new();
        for _ in 0..bytes.length()? {
            let place = bytes.length()?;
            let tags = bytes.column()?.into_iter();
            let numbers = bytes.column()?.into_iter();
            columns.insert(place, (tags, numbers));
        }
        Ok(Block {
            columns,
            texts,
            lags,
        })
    }

    fn word(&self, number: i64) -> Result<&Arc<str>, Damage> {
        usize::try_from(number)
            .ok()
            .and_then(|number| self.shape.words.get(number))
            .ok_or(Damage("a word that was not said"))
    }

    fn get(
        &mut self,
        block: &mut Block<'_>,
        place: usize,
        last: &mut i64,
        depth: usize,
    ) -> Result<Value, Damage> {
        let tag = block.tag(place)?;
        self.get_tagged(block, place, tag, last, depth)
    }

    fn get_tagged(
        &mut self,
        block: &mut Block<'_>,
        place: usize,
        tag: i64,
        last: &mut i64,
        depth: usize,
    ) -> Result<Value, Damage> {
        if depth > DEPTH_MAX {
            return Err(Damage("an observation without end"));
        }
        Ok(match tag {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            WHOLE => {
                *last = last.wrapping_add(block.number(place)?);
                Value::Number((*last).into())
            }
            LARGE => Value::Number(block.number(place)?.cast_unsigned().into()),
            REAL => {
                let real = f64::from_bits(block.number(place)?.cast_unsigned());
                Number::from_f64(real).map_or(Value::Null, Value::Number)
            }
            TIME => {
                *last = last.wrapping_add(block.number(place)?);
                let time = Timestamp::from_nanosecond(i128::from(*last))
                    .map_err(|_| Damage("a time past the end of time"))?;
                Value::String(time.to_string())
            }
            WORD => {
                let number = block.number(place)?;
                Value::String(self.word(number)?.to_string())
            }
            TEXT => Value::String(block.texts.next().ok_or(Damage::SHORT)?.to_owned()),
            LIST => {
                let length = usize::try_from(block.number(place)?)
                    .map_err(|_| Damage("a list of no length"))?;
                let elements = self.shape.elements_of(place);
                let mut list = Vec::new();
                for _ in 0..length {
                    list.push(self.get(block, elements, &mut 0, depth + 1)?);
                }
                Value::Array(list)
            }
            object => self.get_object(block, place, object - OBJECT, depth)?,
        })
    }

    fn get_object(
        &mut self,
        block: &mut Block<'_>,
        place: usize,
        list: i64,
        depth: usize,
    ) -> Result<Value, Damage> {
        let list = usize::try_from(list).map_err(|_| Damage("an object of no sort"))?;
        let names = self.shape.field_lists.get(list);
        let names = names.ok_or(Damage("an object of no sort"))?.clone();
        let first = self.shape.fields_of(place, list);
        let mut values = vec![Value::Null; names.len()];
        let mut later = Vec::new();
        let mut words = Vec::new();
        for (at, value) in values.iter_mut().enumerate() {
            let tag = block.tag(first + at)?;
            match tag {
                WORD => {
                    let number = block.number(first + at)?;
                    *value = Value::String(self.word(number)?.to_string());
                    words.push(u32::try_from(number).unwrap_or(u32::MAX));
                }
                TEXT => {
                    let text = block.texts.next().ok_or(Damage::SHORT)?;
                    *value = Value::String(text.to_owned());
                }
                tag => later.push((at, tag)),
            }
        }
        let subject = (first, words);
        let mut last = self.shape.last_of(&subject, names.len());
        for (at, tag) in later {
            values[at] = self.get_tagged(block, first + at, tag, &mut last[at], depth + 1)?;
        }
        self.shape.keep(subject, last);
        let mut fields = Map::new();
        for (name, value) in names.iter().zip(values) {
            fields.insert(self.word(i64::from(*name))?.to_string(), value);
        }
        Ok(Value::Object(fields))
    }
}
