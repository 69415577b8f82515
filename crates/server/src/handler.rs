//! What all handlers have in common: decode, carry out, encode.
//!
//! [`Handler`] implements the generated trait of every application service, each in the file of its asset. A handler takes its message apart,
//! makes a command or an inquiry of it, and turns the answer into a message; it decides nothing about the business.

use std::sync::Arc;

use asset::{Command, Inquiry, Policy, Refusal};
use prost::Message;
use service::page_token::Place;
use service::{Failure, Listing, Service, Weight};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::metrics::Metrics;
use crate::status;

/// Carries out the calls of all application services.
pub(crate) struct Handler {
    /// What carries them out.
    pub(crate) service: Service,
    /// What requests are validated against.
    pub(crate) policy: Policy,
    /// How large the items of a page may become together, in bytes.
    pub(crate) response_bytes_max: usize,
    /// What the server says its version is.
    pub(crate) version: String,
    /// Where registrations are measured, if anywhere.
    pub(crate) metrics: Option<Arc<Metrics>>,
}

impl Handler {
    /// Carries out a command of the caller.
    pub(crate) async fn execute<C: Command>(
        &self,
        caller: &Caller,
        command: C,
    ) -> Result<C::Answer, Failure> {
        self.execute_large(caller, command, 1).await
    }

    /// Carries out a command of the caller that writes about so many rows.
    pub(crate) async fn execute_large<C: Command>(
        &self,
        caller: &Caller,
        command: C,
        expected_rows: usize,
    ) -> Result<C::Answer, Failure> {
        let weight = Weight { rows: expected_rows, bytes: caller.request_bytes };
        self.service.execute_large(&caller.channel, &caller.organization, command, weight).await
    }

    /// Answers an inquiry of the caller.
    pub(crate) async fn inquire<I: Inquiry>(
        &self,
        caller: &Caller,
        inquiry: I,
    ) -> Result<I::Answer, Failure> {
        self.service.inquire(&caller.channel, &caller.organization, inquiry).await
    }

    /// The items of a page as messages, and the token of the next page (core/PAG-4, PAG-6).
    pub(crate) async fn page<T, P: Place, M: Message>(
        &self,
        listing: Listing<T, P>,
        message: impl Fn(&T) -> M,
    ) -> (Vec<M>, String) {
        let bytes = |item: &M| item_bytes(item.encoded_len());
        listing.into_response(self.response_bytes_max, |item| message(&item), bytes).await
    }
}

/// What an item of this many bytes takes in a response: itself, its length, and one byte for the number of its field.
pub(crate) fn item_bytes(encoded_bytes: usize) -> usize {
    encoded_bytes + prost::length_delimiter_len(encoded_bytes) + 1
}

/// Takes a request apart, lets `carry_out` answer it, and turns what comes back into a response or a status.
pub(crate) async fn handle<Q: Message, A, F>(
    request: Request<Q>,
    carry_out: impl FnOnce(Caller, Q) -> F,
) -> Result<Response<A>, Status>
where
    F: Future<Output = Result<A, Failure>>,
{
    let (_metadata, mut extensions, message) = request.into_parts();
    let Some(mut caller) = extensions.remove::<Caller>() else {
        tracing::error!("a request came to its handler without a caller");
        return Err(status::internal());
    };
    caller.request_bytes = message.encoded_len();
    carry_out(caller, message).await.map(Response::new).map_err(|failure| status::of_failure(&failure))
}

/// A filter that is only one if the text is not empty.
///
/// # Errors
/// OE0101 for U+0000, which no stored text has (core/DEF-29).
pub(crate) fn criterion(text: String) -> Result<Option<String>, Refusal> {
    without_nul(&text)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// # Errors
/// OE0101 for U+0000.
pub(crate) fn without_nul(text: &str) -> Result<(), Refusal> {
    match text.contains('\0') {
        true => Err(Refusal::invalid("a filter must not contain NUL characters")),
        false => Ok(()),
    }
}
