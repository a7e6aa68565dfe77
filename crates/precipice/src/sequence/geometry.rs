//! What each token of a sequence is, and who sees whom.

use serde::{Deserialize, Serialize};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The item of an exemplar.
    Item(usize),
    /// The label of an exemplar: a vector of the label table.
    Label(usize),
    /// x of an exemplar and its y, in one token.
    Pair(usize),
    /// y of an exemplar, in a token of its own.
    Value(usize),
    /// The item whose label or value is asked for.
    Query,
}

/// Who sees whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// Every token sees itself and what stands before it.
    Causal,
    /// Every token sees the whole context, and nobody the query, which is the last.
    Context,
}

/// How the pairs of a context become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tokens {
    /// (x_j, y_j) in one token; the query is (x_q, 0).
    #[default]
    Pairs,
    /// x_1 y_1 x_2 y_2 ... x_q, each with its position.
    Stream,
}

/// The tokens of a sequence, in order. The query is the last.
///
/// ```
/// use precipice::sequence::{Geometry, Role};
/// let geometry = Geometry::of_labels(8);
/// assert_eq!(geometry.n_tokens(), 17);
/// assert_eq!(geometry.role(geometry.label_token(3)), Role::Label(3));
/// assert_eq!(geometry.role(16), Role::Query);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Geometry {
    shape: Shape,
}

/// How exemplars become tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    /// x_1 l_1 ... x_N l_N x_q, causal.
    Labels(usize),
    /// x_1 y_1 ... x_N y_N x_q, over the context.
    Values(usize),
    /// (x_1 y_1) ... (x_N y_N) (x_q 0), over the context.
    Pairs(usize),
}

impl Geometry {
    /// Items and labels in turn, each seeing what stands before it: x_1 l_1 ... x_N l_N x_q.
    pub fn of_labels(n_exemplars: usize) -> Self {
        Self { shape: Shape::Labels(n_exemplars) }
    }

    /// Inputs and values over the context, in one token each or two.
    pub fn of_values(n_exemplars: usize, tokens: Tokens) -> Self {
        let shape = match tokens {
            Tokens::Pairs => Shape::Pairs(n_exemplars),
            Tokens::Stream => Shape::Values(n_exemplars),
        };
        Self { shape }
    }

    /// N, exemplars in a context.
    pub fn n_exemplars(&self) -> usize {
        let (Shape::Labels(n) | Shape::Values(n) | Shape::Pairs(n)) = self.shape;
        n
    }

    /// T, tokens in a sequence.
    pub fn n_tokens(&self) -> usize {
        self.query_token() + 1
    }

    /// What a token is.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn role(&self, token: usize) -> Role {
        let query = self.query_token();
        assert!(token <= query, "token {token} of {}", query + 1);
        match self.shape {
            _ if token == query => Role::Query,
            Shape::Pairs(_) => Role::Pair(token),
            Shape::Labels(_) | Shape::Values(_) if token.is_multiple_of(2) => Role::Item(token / 2),
            Shape::Labels(_) => Role::Label(token / 2),
            Shape::Values(_) => Role::Value(token / 2),
        }
    }

    /// The token that asks, the last.
    pub fn query_token(&self) -> usize {
        if self.has_pairs() { self.n_exemplars() } else { 2 * self.n_exemplars() }
    }

    /// The token that holds the item of an exemplar.
    pub fn item_token(&self, slot: usize) -> usize {
        if self.has_pairs() { slot } else { 2 * slot }
    }

    /// The token that holds the label or the value of an exemplar.
    pub fn label_token(&self, slot: usize) -> usize {
        if self.has_pairs() { slot } else { 2 * slot + 1 }
    }

    /// Whether a token holds a label.
    pub fn is_label(&self, token: usize) -> bool {
        matches!(self.role(token), Role::Label(_))
    }

    /// Whether an exemplar is one token.
    pub fn has_pairs(&self) -> bool {
        matches!(self.shape, Shape::Pairs(_))
    }

    /// Whether contents have a y column, behind x.
    pub fn has_values(&self) -> bool {
        matches!(self.shape, Shape::Values(_) | Shape::Pairs(_))
    }

    /// Who sees whom.
    pub fn sight(&self) -> Sight {
        if self.has_values() { Sight::Context } else { Sight::Causal }
    }

    /// Tokens that a token sees: the first so many.
    pub fn n_visible(&self, token: usize) -> usize {
        match self.sight() {
            Sight::Causal => token + 1,
            Sight::Context => self.n_tokens() - 1,
        }
    }

    /// Words for T in terms of N.
    pub fn length_words(&self) -> &'static str {
        if self.has_pairs() { "n_exemplars + 1" } else { "2 n_exemplars + 1" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_roles_agree() {
        let all =
            [Geometry::of_labels(3), Geometry::of_values(3, Tokens::Pairs), Geometry::of_values(3, Tokens::Stream)];
        for geometry in all {
            for slot in 0..3 {
                let is_item = |role| matches!(role, Role::Item(i) | Role::Pair(i) if i == slot);
                let is_label = |role| matches!(role, Role::Label(i) | Role::Value(i) | Role::Pair(i) if i == slot);
                assert!(is_item(geometry.role(geometry.item_token(slot))));
                assert!(is_label(geometry.role(geometry.label_token(slot))));
            }
            assert_eq!(geometry.role(geometry.query_token()), Role::Query);
            let text = serde_json::to_string(&geometry).unwrap();
            assert_eq!(serde_json::from_str::<Geometry>(&text).unwrap(), geometry, "{text}");
        }
    }

    #[test]
    fn nobody_sees_the_query_of_a_regression_context() {
        let pairs = Geometry::of_values(4, Tokens::Pairs);
        assert_eq!([pairs.n_tokens(), pairs.n_visible(0), pairs.n_visible(4)], [5, 4, 4]);
        let labels = Geometry::of_labels(4);
        assert_eq!([labels.n_tokens(), labels.n_visible(0), labels.n_visible(8)], [9, 1, 9]);
    }
}
