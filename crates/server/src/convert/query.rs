use std::time::Duration;

use lookalike_engine::plugin_api::{Budget, CancelFlag, ParameterValue, Parameters};
use lookalike_engine::{Candidates, Metric, Query, Rerank};

use crate::failure::{Failure, Malformed};
use crate::proto;

/// The query that a request describes. What the request leaves open is left to the library, but for the time limit.
pub(crate) fn query(
    request: proto::SearchRequest,
    default_time_limit: Duration,
    cancel: CancelFlag,
) -> Result<Query, Failure> {
    let mut query = Query::encoded(request.image);
    query.label = request.label;
    if let Some(hits) = request.hits {
        query.hits = hits as usize;
    }
    query.metric = metric(request.metric)?;
    query.views = request.views;
    if !request.filter.is_empty() {
        query.filter = Some(request.filter.parse()?);
    }
    query.rerank = request.rerank.map(rerank).transpose()?;
    query.seed = request.seed;
    let time_limit = request.time_limit_ms.map_or(default_time_limit, |ms| Duration::from_millis(ms.into()));
    query.budget = Budget::unlimited().with_time_limit(time_limit).with_cancel(cancel);
    if let Some(steps) = request.step_limit {
        query.budget = query.budget.with_step_limit(steps);
    }
    Ok(query)
}

fn metric(number: i32) -> Result<Metric, Malformed> {
    match proto::Metric::try_from(number) {
        Ok(proto::Metric::Unspecified) => Ok(Metric::default()),
        Ok(proto::Metric::L2) => Ok(Metric::L2),
        Ok(proto::Metric::Cosine) => Ok(Metric::Cosine),
        Ok(proto::Metric::Whitened) => Ok(Metric::Whitened),
        Err(_) => Err(Malformed::Metric { found: number }),
    }
}

fn rerank(request: proto::Rerank) -> Result<Rerank, Malformed> {
    let mut rerank = Rerank::new(request.reranker);
    match request.candidates {
        Some(proto::rerank::Candidates::Shortlist(length)) => {
            rerank.candidates = Candidates::Shortlist(length as usize);
        }
        Some(proto::rerank::Candidates::All(proto::AllCandidates {})) => rerank.candidates = Candidates::All,
        None => {}
    }
    let given = request.parameters.into_iter().map(|(name, parameter)| match parameter.value {
        Some(proto::parameter_value::Value::Number(number)) => Ok((name, ParameterValue::Number(number))),
        Some(proto::parameter_value::Value::Text(text)) => Ok((name, ParameterValue::Text(text))),
        None => Err(Malformed::NoValue { what: "parameter", name }),
    });
    rerank.parameters = Parameters(given.collect::<Result<_, _>>()?);
    Ok(rerank)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    fn converted(request: proto::SearchRequest) -> Result<Query, Failure> {
        query(request, LIMIT, CancelFlag::default())
    }

    #[test]
    fn what_a_request_leaves_open_is_the_librarys_default() {
        let query = converted(proto::SearchRequest::default()).unwrap();
        assert_eq!(
            (query.hits, query.metric, query.seed),
            (lookalike_engine::DEFAULT_HITS, Metric::Whitened, 0)
        );
        assert!(query.filter.is_none() && query.rerank.is_none() && query.label.is_none());

        let rerank = proto::Rerank { reranker: "tmm".to_owned(), ..proto::Rerank::default() };
        let query = converted(proto::SearchRequest { rerank: Some(rerank), ..Default::default() }).unwrap();
        assert_eq!(
            query.rerank.unwrap().candidates,
            Candidates::Shortlist(lookalike_engine::DEFAULT_CANDIDATES)
        );
    }

    #[test]
    fn a_number_that_is_no_metric_is_refused() {
        let error = converted(proto::SearchRequest { metric: 9, ..Default::default() }).unwrap_err();
        assert!(matches!(error, Failure::Malformed(Malformed::Metric { found: 9 })), "{error}");
    }

    #[test]
    fn a_parameter_without_a_value_is_refused() {
        let parameters = [("steps".to_owned(), proto::ParameterValue { value: None })].into();
        let rerank = proto::Rerank { reranker: "tmm".to_owned(), candidates: None, parameters };
        let request = proto::SearchRequest { rerank: Some(rerank), ..Default::default() };
        let error = converted(request).unwrap_err();
        assert_eq!(error.to_string(), "parameter \"steps\" has no value; set number or text");
    }

    #[test]
    fn a_time_limit_of_zero_is_over_at_once() {
        let query = converted(proto::SearchRequest { time_limit_ms: Some(0), ..Default::default() }).unwrap();
        assert!(query.budget.exhausted().is_some());
    }
}
