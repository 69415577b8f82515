//! The decoded size of a request: about what it takes in memory, told from its bytes as they arrive.
//!
//! Two bytes can stand for an element that takes a hundred times as much once it is decoded, so the bytes alone say little. This follows the form of
//! the messages and nothing else: what is malformed is for the decoder to refuse. Start at [`DecodedSize::grow`].

use std::collections::HashMap;
use std::sync::Arc;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};

/// Bytes before each message: one of flags, and four of its length.
const PREFIX_BYTES: u8 = 5;
/// What a field takes in memory, set or not: the size of a text or a list without what is in it.
const FIELD_BYTES: usize = 24;
/// What an element of a list of texts takes beside its own bytes.
const TEXT_BYTES: usize = FIELD_BYTES + 16;

/// The forms of all messages.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    messages: Vec<Form>,
    /// What methods are called with, by their paths.
    requests: HashMap<String, MessageIndex>,
}

/// The place of a message's form among all.
type MessageIndex = usize;

/// The form of a message.
#[derive(Debug)]
struct Form {
    /// What one takes in memory, without what its fields hold.
    bytes: usize,
    /// The numbers of the fields that hold more. They are few.
    fields: Vec<(u64, Field)>,
}

/// What each occurrence of a field adds.
#[derive(Clone, Copy, Debug)]
enum Field {
    Message(MessageIndex),
    Text,
}

/// How large the message of a request is so far.
pub(crate) struct DecodedSize {
    forms: Arc<Forms>,
    request: MessageIndex,
    /// The messages that have begun, outermost first, and where they end.
    open: Vec<(MessageIndex, u64)>,
    position: u64,
    next: Next,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// The bytes before a message; so many of them are there, with this length so far.
    Prefix(u8, u32),
    Tag(Varint),
    /// The value of a field that is a number.
    Number,
    Length(Varint, Option<Field>),
    /// So many bytes that hold no fields.
    Content(u64),
    /// Nothing that can be followed.
    Malformed,
}

/// A number as far as it has come.
#[derive(Clone, Copy, Debug, Default)]
struct Varint {
    value: u64,
    bits: u32,
}

impl Forms {
    /// The forms of the messages in these descriptors.
    pub(crate) fn new(descriptors: &[FileDescriptorSet]) -> Arc<Self> {
        let files = || descriptors.iter().flat_map(|set| &set.file);
        let mut messages = Vec::new();
        for file in files() {
            collect(&format!(".{}", file.package()), &file.message_type, &mut messages);
        }
        let names = messages.iter().map(|(name, _)| name.clone());
        let indices: HashMap<_, MessageIndex> = names.zip(0..).collect();
        let services = files().flat_map(|file| file.service.iter().map(|service| (file.package(), service)));
        let requests = services.flat_map(|(package, service)| {
            let path = move |method: &str| format!("/{package}.{}/{method}", service.name());
            let index = |name: &str| indices.get(name).copied();
            let requests =
                service.method.iter().map(move |it| Some((path(it.name()), index(it.input_type())?)));
            requests.flatten()
        });
        let requests = requests.collect();
        Arc::new(Self {
            messages: messages.iter().map(|(_, it)| Form::new(it, &indices)).collect(),
            requests,
        })
    }

    /// Nothing has arrived of a request of this method; nothing can be told of one that there is not.
    pub(crate) fn request(self: &Arc<Self>, path: &str) -> Option<DecodedSize> {
        let request = *self.requests.get(path)?;
        let forms = Arc::clone(self);
        Some(DecodedSize { forms, request, open: Vec::new(), position: 0, next: Next::Prefix(0, 0) })
    }

    /// What this field of this message adds.
    fn field(&self, message: MessageIndex, number: u64) -> Option<Field> {
        let mut fields = self.messages.get(message)?.fields.iter();
        fields.find(|(of, _)| *of == number).map(|(_, field)| *field)
    }
}

/// All messages with their full names, nested ones too.
fn collect<'a>(scope: &str, messages: &'a [DescriptorProto], all: &mut Vec<(String, &'a DescriptorProto)>) {
    for message in messages {
        let name = format!("{scope}.{}", message.name());
        collect(&name, &message.nested_type, all);
        all.push((name, message));
    }
}

impl Form {
    fn new(message: &DescriptorProto, indices: &HashMap<String, MessageIndex>) -> Self {
        let fields = message.field.iter().filter_map(|field| {
            let number = u64::try_from(field.number()).ok()?;
            match (field.r#type(), field.label()) {
                (Type::Message, _) => Some((number, Field::Message(*indices.get(field.type_name())?))),
                (Type::String | Type::Bytes, Label::Repeated) => Some((number, Field::Text)),
                _ => None,
            }
        });
        Self { bytes: FIELD_BYTES * message.field.len(), fields: fields.collect() }
    }
}

impl DecodedSize {
    /// By how much the message grows by the next bytes of the body, beside these bytes themselves.
    pub(crate) fn grow(&mut self, mut bytes: &[u8]) -> usize {
        let mut grown = 0;
        while let [byte, rest @ ..] = bytes {
            if let Next::Content(left) = self.next {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[skipped..];
                self.skip(left, skipped);
            } else {
                bytes = rest;
                self.position += 1;
                grown += self.read(*byte);
            }
        }
        grown
    }

    fn skip(&mut self, left: u64, skipped: usize) {
        let skipped = u64::try_from(skipped).unwrap_or(u64::MAX);
        self.position += skipped;
        self.next = if skipped < left { Next::Content(left - skipped) } else { self.after_field() };
    }

    /// Takes a byte that is not content.
    fn read(&mut self, byte: u8) -> usize {
        let mut grown = 0;
        self.next = match self.next {
            Next::Prefix(filled, length) => {
                let length = length << 8 | u32::from(byte);
                if filled + 1 == PREFIX_BYTES {
                    self.open.push((self.request, self.position + u64::from(length)));
                    self.after_field()
                } else {
                    // The first byte has no part in the length.
                    Next::Prefix(filled + 1, if filled == 0 { 0 } else { length })
                }
            }
            Next::Tag(tag) => match tag.with(byte) {
                Ok(tag) => self.value(tag),
                Err(more) => more.map_or(Next::Malformed, Next::Tag),
            },
            Next::Number if byte & 0x80 == 0 => self.after_field(),
            Next::Number => Next::Number,
            Next::Length(length, field) => match length.with(byte) {
                Ok(length) => {
                    grown = self.begin(length, field);
                    self.next
                }
                Err(more) => more.map_or(Next::Malformed, |length| Next::Length(length, field)),
            },
            Next::Content(_) | Next::Malformed => Next::Malformed,
        };
        grown
    }

    /// What follows a tag: the number of a field, and its kind on the wire.
    fn value(&mut self, tag: u64) -> Next {
        match tag & 7 {
            0 => Next::Number,
            1 => Next::Content(8),
            2 => {
                let field = self.open.last().and_then(|(message, _)| self.forms.field(*message, tag >> 3));
                Next::Length(Varint::default(), field)
            }
            3 | 4 => self.after_field(),
            5 => Next::Content(4),
            _ => Next::Malformed,
        }
    }

    /// A field of so many bytes begins.
    fn begin(&mut self, length: u64, field: Option<Field>) -> usize {
        match field {
            Some(Field::Message(message)) => {
                self.open.push((message, self.position.saturating_add(length)));
                self.next = self.after_field();
                self.forms.messages.get(message).map_or(0, |form| form.bytes)
            }
            other => {
                self.next = if length == 0 { self.after_field() } else { Next::Content(length) };
                if other.is_some() { TEXT_BYTES } else { 0 }
            }
        }
    }

    /// Ends the messages that end here.
    fn after_field(&mut self) -> Next {
        while self.open.last().is_some_and(|(_, end)| self.position >= *end) {
            self.open.pop();
        }
        if self.open.is_empty() { Next::Prefix(0, 0) } else { Next::Tag(Varint::default()) }
    }
}

impl Varint {
    /// The whole number with its last byte; or the number so far, if this was not its last and it can go on.
    fn with(self, byte: u8) -> Result<u64, Option<Self>> {
        let Self { value, bits } = self;
        let value = value | u64::from(byte & 0x7f).wrapping_shl(bits);
        match byte & 0x80 {
            0 => Ok(value),
            _ if bits < 63 => Err(Some(Self { value, bits: bits + 7 })),
            _ => Err(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    const REGISTER: &str = "ComputeTaskService/RegisterTasks";

    fn forms() -> Arc<Forms> {
        Forms::new(&[FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap()])
    }

    fn grown(forms: &Arc<Forms>, method: &str, body: &[u8], pieces_of: usize) -> usize {
        let mut size = forms.request(&format!("/orchestrator.{method}")).unwrap();
        body.chunks(pieces_of).map(|piece| size.grow(piece)).sum()
    }

    fn body(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], length.as_slice(), message].concat()
    }

    const TASK_BYTES: usize = 7 * FIELD_BYTES;
    const INPUT_BYTES: usize = 3 * FIELD_BYTES;

    #[test]
    fn elements_count_however_few_bytes_they_are_and_however_these_arrive() {
        let inputs = [[0x0a, 198, 1].as_slice(), &[0x8a, 1, 0].repeat(66), &[0x0a, 0, 0x0a, 0]].concat();
        let task = proto::NewComputeTask { key: "k".repeat(300), worker: "w".into(), ..Default::default() };
        let named = proto::RegisterTasksParam { tasks: vec![task; 3] }.encode_to_vec();
        let permissions =
            proto::NewPermissions { public: true, authorized_ids: vec![String::new(), "a".repeat(500)] };
        let output = proto::NewComputeTaskOutput { permissions: Some(permissions), transient: true };
        let outputs = [("a".to_owned(), output)].into();
        let task = proto::NewComputeTask { outputs, ..Default::default() };
        let nested = proto::RegisterTasksParam { tasks: vec![task] }.encode_to_vec();
        let keys = proto::RegisterDataSamplesParam::default().encode_to_vec();
        let forms = forms();
        for (method, encoded, expected) in [
            (REGISTER, [0x0a, 0].repeat(1000), 1000 * TASK_BYTES),
            (REGISTER, inputs, 3 * TASK_BYTES + 66 * INPUT_BYTES),
            (REGISTER, named, 3 * TASK_BYTES),
            (REGISTER, nested, TASK_BYTES + 6 * FIELD_BYTES + 2 * TEXT_BYTES),
            ("DataSampleService/RegisterDataSamples", keys, 0),
            ("DataSampleService/UpdateDataSamples", [0x0a, 0].repeat(100), 100 * TEXT_BYTES),
            ("FunctionService/GetFunction", [0x0a, 0].repeat(100), 0),
        ] {
            for pieces_of in [1, 2, 7, 100_000] {
                let bodies = [body(&encoded), body(&encoded)].concat();
                assert_eq!(grown(&forms, method, &bodies, pieces_of), 2 * expected, "{method} {pieces_of}");
            }
        }
    }

    #[test]
    fn numbers_fixed_fields_and_unknown_ones_hide_no_element() {
        // Fields 100 … 104: a number, eight bytes, four bytes, text, an empty group.
        let unknown: &[u8] = &[
            0xa0, 6, 0xff, 0xff, 1, 0xa9, 6, 0x0a, 0, 0x0a, 0, 0x0a, 0, 0x0a, 0, 0xb5, 6, 0x0a, 0, 0x0a, 0,
            0xba, 6, 2, 0x0a, 0, 0xc3, 6, 0xc4, 6,
        ];
        let message = [unknown, &[0x0a, 0], unknown].concat();
        assert_eq!(grown(&forms(), REGISTER, &body(&message), 1), TASK_BYTES);
        let message = [[0x0a, u8::try_from(unknown.len()).unwrap()].as_slice(), unknown, &[0x0a, 0]].concat();
        assert_eq!(grown(&forms(), REGISTER, &body(&message), 3), 2 * TASK_BYTES);
    }

    #[test]
    fn noise_is_followed_without_harm() {
        let (forms, mut random) = (forms(), fastrand::Rng::with_seed(7));
        for length in 0..2000 {
            let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
            grown(&forms, REGISTER, &noise, 5);
            grown(&forms, REGISTER, &body(&noise), 5);
        }
    }
}
