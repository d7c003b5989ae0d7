//! Building models from a checkpoint without knowing their sizes beforehand.
//!
//! A model asks for its parameters by name and shape; nothing is read yet. What is missing or ill-shaped is collected, so
//! that [`Builder::finish`] can name all of it at once.

use std::collections::BTreeMap;
use std::convert::identity;
use std::sync::Arc;

use super::layers::Tiling;
use super::ops::{Held, Operators, Order, Shape};
use super::weights::{Param, Weights};
use crate::checkpoint::architecture::Architecture;
use crate::checkpoint::{Checkpoint, CheckpointError, TensorProblem, prefix};

/// Collects the parameters of the models built from one checkpoint.
pub struct Builder {
    checkpoint: Arc<Checkpoint>,
    architecture: Arc<Architecture>,
    operators: Arc<dyn Operators>,
    held: Held,
    tiling: Tiling,
    params: BTreeMap<String, Arc<Param>>,
    problems: Vec<TensorProblem>,
}

impl Builder {
    /// The models are made as `architecture` says, and compute with `operators`.
    pub fn new(checkpoint: Arc<Checkpoint>, architecture: Arc<Architecture>, operators: Arc<dyn Operators>) -> Self {
        Builder {
            checkpoint,
            architecture,
            operators,
            held: Held::Exact,
            tiling: Tiling::default(),
            params: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// How the weights of the kernels are held.
    pub fn held(self, held: Held) -> Self {
        Builder { held, ..self }
    }

    /// The switch of the convolutions.
    pub fn tiled(self, tiling: Tiling) -> Self {
        Builder { tiling, ..self }
    }

    /// What makes convolutions those of tiles.
    pub fn tiling(&self) -> &Tiling {
        &self.tiling
    }

    /// Where the tensors come from.
    pub fn checkpoint(&self) -> &Arc<Checkpoint> {
        &self.checkpoint
    }

    /// What the models are made as.
    pub fn architecture(&self) -> &Arc<Architecture> {
        &self.architecture
    }

    /// What the models compute with.
    pub fn operators(&self) -> &Arc<dyn Operators> {
        &self.operators
    }

    /// Builds what computes in f32, whatever the other models do.
    pub fn exactly<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        let exact = self.operators.exact();
        let own = std::mem::replace(&mut self.operators, exact);
        let built = build(self);
        self.operators = own;
        built
    }

    /// Whether the checkpoint has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.file().entry(name).is_some()
    }

    /// Length of one axis of a tensor, from which a width is inferred. A missing tensor is a problem and has length 0.
    pub fn dim(&mut self, name: &str, axis: usize) -> usize {
        match self.checkpoint.file().shape(name).and_then(|shape| shape.get(axis)) {
            Some(len) => *len,
            None => {
                self.problem(TensorProblem::Missing { name: name.to_owned(), shape: Vec::new() });
                0
            }
        }
    }

    /// How many of `PREFIX0.`, `PREFIX1.`, … exist, told by the tensor that each must have.
    pub fn count(&self, prefix: &str, tensor: &str) -> usize {
        (0..).take_while(|i| self.has(&format!("{prefix}{i}.{tensor}"))).count()
    }

    /// The parameter `name`, which must have this shape.
    pub fn param(&mut self, name: &str, shape: &[usize]) -> Arc<Param> {
        self.add(name, shape, None, identity)
    }

    /// The matrix `name`, (rows, columns), of which single rows are used.
    pub fn table(&mut self, name: &str, rows: usize, columns: usize) -> Arc<Param> {
        self.add(name, &[rows, columns], None, Param::table)
    }

    /// The weight of a linear layer, (outputs, inputs), whose outputs are kept in this order.
    pub fn matrix(&mut self, name: &str, outputs: usize, inputs: usize, order: Order) -> Arc<Param> {
        self.add(name, &[outputs, inputs], Some(Shape { outputs, inputs, taps: 1, order }), identity)
    }

    /// The kernel of a convolution, (outputs, inputs, size, size).
    pub fn kernel(&mut self, name: &str, outputs: usize, inputs: usize, size: usize) -> Arc<Param> {
        let packed = Shape { outputs, inputs, taps: size * size, order: Order::Plain };
        self.add(name, &[outputs, inputs, size, size], Some(packed), identity)
    }

    fn add(&mut self, name: &str, shape: &[usize], packed: Option<Shape>, kind: fn(Param) -> Param) -> Arc<Param> {
        match self.checkpoint.file().entry(name) {
            None => self.problem(TensorProblem::Missing { name: name.to_owned(), shape: shape.to_vec() }),
            Some(entry) if entry.shape != shape => {
                let found = entry.shape.clone();
                self.problem(TensorProblem::Shape { name: name.to_owned(), expected: shape.to_vec(), found });
            }
            Some(entry) if entry.number_type().is_none() => {
                let found = entry.type_name();
                self.problem(TensorProblem::Dtype { name: name.to_owned(), found });
            }
            Some(_) => {}
        }
        let new =
            || Arc::new(kind(Param::new(name, packed, self.held, self.checkpoint.clone(), self.operators.clone())));
        self.params.entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Records what is wrong with a tensor, once; a missing tensor of known shape tells more than one of unknown shape.
    fn problem(&mut self, problem: TensorProblem) {
        let missing = |p: &TensorProblem| match p {
            TensorProblem::Missing { name, shape } => Some((name.clone(), shape.is_empty())),
            _ => None,
        };
        let same = |p: &TensorProblem| missing(p).is_some_and(|(n, _)| missing(&problem).is_some_and(|(m, _)| m == n));
        match self.problems.iter().position(same) {
            Some(at) if missing(&self.problems[at]).is_some_and(|(_, shapeless)| shapeless) => {
                self.problems[at] = problem
            }
            Some(_) => {}
            None => self.problems.push(problem),
        }
    }

    /// The parameters, if the checkpoint has all of them as asked for.
    pub fn finish(self) -> Result<Weights, CheckpointError> {
        if !self.problems.is_empty() {
            let path = self.checkpoint.path().to_owned();
            let family = self.architecture.family;
            return Err(CheckpointError::Tensors { path, family, problems: self.problems });
        }
        Ok(Weights::new(self.checkpoint, self.params))
    }
}

/// Tensors of the file that no model uses: their number and the first one's name. Those known to be without effect are
/// not counted.
pub fn unused_tensors(checkpoint: &Checkpoint, used: impl Fn(&str) -> bool) -> (usize, Option<String>) {
    const HARMLESS: [&str; 10] = [
        "position_ids",
        "logit_scale",
        "model_ema.",
        "denoiser.",
        "alphas_cumprod",
        "betas",
        // CLIP-L's, which no model uses.
        ".text_model.text_projection",
        "embedders.0.text_projection",
        "cond_stage_model.text_projection",
        "loss.",
    ];
    // Said as what they mean.
    const MARKS: [&str; 2] = ["v_pred", "ztsnr"];
    let encoder = format!("{}encoder.", prefix::VAE);
    let mut unused = checkpoint.file().names().filter(|n| {
        !used(n) && !n.starts_with(&encoder) && !MARKS.contains(n) && !HARMLESS.iter().any(|h| n.contains(h))
    });
    let first = unused.next().map(str::to_owned);
    (first.iter().len() + unused.count(), first)
}
