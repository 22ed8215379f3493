//! The join between Burn and `townlet_kernels`: a backend extension for the backends whose tensors lie in the
//! host's memory.
//!
//! On those, a whole forward pass of a [`QNetwork`](crate::QNetwork) is one operation with one backward
//! operation, and what a step of the optimiser does is one pass over memory. Every function here answers
//! `None` for tensors that it cannot serve (another backend, another number format, a graph through the
//! observations), and its caller then composes the same thing out of Burn's operations.

// Burn deprecates its ndarray backend; it is supported for those who depend on it.
#![allow(deprecated)]

use std::any::Any;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, DispatchKindConversion, DispatchTensor, TensorMetadata,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Shape, Tensor, TensorData};
use townlet_kernels::{
    AdamStep, Architecture, OutputGradients, Outputs, Sequences, Tape, Weights, Workspace,
};

use crate::lstm::LstmState;
use crate::state::QState;
use crate::state_dict::{ParameterPath, TorchNames};

/// A backend whose tensors lie in the host's memory.
trait Host: Backend {
    /// The numbers of a tensor, row by row; copied only where they do not lie like that.
    fn read(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]>;

    /// Changes the numbers of a tensor: in their place where nobody else holds them, otherwise in a copy.
    fn change(tensor: FloatTensor<Self>, change: impl FnOnce(&mut [f32])) -> FloatTensor<Self>;
}

#[cfg(feature = "flex")]
impl Host for burn::backend::Flex {
    fn read(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]> {
        match tensor.layout().contiguous_offsets() {
            Some((start, end)) => Cow::Borrowed(&tensor.storage()[start..end]),
            None => Cow::Owned(Self::read(&tensor.to_contiguous()).into_owned()),
        }
    }

    fn change(tensor: FloatTensor<Self>, change: impl FnOnce(&mut [f32])) -> FloatTensor<Self> {
        let mut tensor = if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() };
        let (start, end) = tensor.layout().contiguous_offsets().expect("it was just made contiguous");
        change(&mut tensor.storage_mut()[start..end]);
        tensor
    }
}

#[cfg(feature = "ndarray")]
impl Host for burn::backend::NdArray {
    fn read(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]> {
        let burn::backend::ndarray::NdArrayTensor::F32(storage) = tensor else {
            unreachable!("callers have asked for the number format");
        };
        let view = storage.view();
        match view.to_slice() {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(view.iter().copied().collect()),
        }
    }

    fn change(tensor: FloatTensor<Self>, change: impl FnOnce(&mut [f32])) -> FloatTensor<Self> {
        let burn::backend::ndarray::NdArrayTensor::F32(storage) = tensor else {
            unreachable!("callers have asked for the number format");
        };
        let mut array = storage.into_shared();
        if !array.is_standard_layout() {
            array = array.as_standard_layout().into_owned().into_shared();
        }
        change(array.as_slice_mut().expect("it is in standard layout"));
        array.into()
    }
}

/// Calls a function for one host backend of this build after the other until one of them answers.
macro_rules! on_host {
    ($function:ident($($argument:expr),*)) => {{
        let answer = None;
        #[cfg(feature = "flex")]
        let answer = answer.or_else(|| $function::<burn::backend::Flex, _>($($argument),*));
        #[cfg(feature = "ndarray")]
        let answer = answer.or_else(|| $function::<burn::backend::NdArray, _>($($argument),*));
        answer
    }};
}

/// A tensor's own form on the backend `B`; `None` on another backend or with numbers that are not `f32`.
fn primitive<B: Backend, const D: usize>(tensor: Tensor<D>) -> Option<FloatTensor<B>>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    if tensor.dtype() != DType::F32 {
        return None;
    }
    tensor.try_into_primitive::<B>().ok()
}

/// The parameters of a module in the order of its fields, in their own form on the backend `B`.
fn parameters<B: Backend, M: Module>(module: &M) -> Option<Vec<FloatTensor<B>>>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    struct Collect<B: Backend>(Option<Vec<FloatTensor<B>>>);

    impl<B: Backend> ModuleVisitor for Collect<B>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(mut found) = self.0.take()
                && let Some(parameter) = primitive::<B, D>(param.val())
            {
                found.push(parameter);
                self.0 = Some(found);
            }
        }
    }

    let mut collect = Collect::<B>(Some(Vec::new()));
    module.visit(&mut collect);
    collect.0
}

/// A network as the kernels see it: what it is made of, and its parameters packed for them, kept until the
/// parameters change.
///
/// What was packed holds on to the parameters it was made of. So their memory can neither be changed nor be
/// used for something else meanwhile, and parameters are known to be the same by where they lie.
pub(crate) struct Fused {
    architecture: Arc<Architecture>,
    enabled: bool,
    current: Mutex<Option<Arc<Packed>>>,
    /// Clones of a network share it.
    memory: Arc<Memory>,
}

/// Memory that is used again.
#[derive(Default)]
struct Memory {
    /// For passes.
    workspaces: Mutex<Vec<Workspace>>,
    /// Packed parameters that gave way to others. Somebody may still act with them.
    retired: Mutex<VecDeque<Arc<Weights>>>,
}

impl Memory {
    fn workspace(&self) -> Workspace {
        lock(&self.workspaces).pop().unwrap_or_default()
    }

    fn give_back(&self, workspace: Workspace) {
        /// As many passes as are ever under way at once: two of an update, one of acting, one to spare.
        const KEPT: usize = 4;
        let mut kept = lock(&self.workspaces);
        if kept.len() < KEPT {
            kept.push(workspace);
        }
    }

    fn retire(&self, weights: Arc<Weights>) {
        /// The target network's, those that are acted with, and one to spare.
        const KEPT: usize = 3;
        let mut kept = lock(&self.retired);
        kept.push_back(weights);
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// Weights that nobody reads any more.
    fn unused(&self) -> Option<Weights> {
        let mut kept = lock(&self.retired);
        let unused = kept.iter().position(|weights| Arc::strong_count(weights) == 1)?;
        kept.remove(unused).and_then(Arc::into_inner)
    }
}

struct Packed {
    /// Where the parameters lie.
    addresses: Vec<usize>,
    /// The parameters.
    _parameters: Box<dyn Any + Send + Sync>,
    shapes: Vec<Shape>,
    weights: Arc<Weights>,
}

impl Fused {
    /// For a network whose parameters are, in the order of its fields, those that `architecture` lists.
    pub(crate) fn new(architecture: Architecture) -> Self {
        Self {
            architecture: Arc::new(architecture),
            enabled: true,
            current: Mutex::new(None),
            memory: Arc::default(),
        }
    }

    /// Answers nothing from now on.
    pub(crate) fn disabled(self) -> Self {
        Self { enabled: false, ..self }
    }

    /// Lets go of the parameters, so that they can be changed in their place.
    pub(crate) fn forget(&self) {
        let packed = lock(&self.current).take();
        if let Some(packed) = packed.and_then(Arc::into_inner) {
            self.memory.retire(packed.weights);
        }
    }

    /// The parameters of `network`, packed for passes without gradient.
    pub(crate) fn packed<M: Module>(&self, network: &M) -> Option<Arc<Weights>> {
        if self.enabled { on_host!(packed_on(self, network)) } else { None }
    }

    /// As [`QNetwork::forward`](crate::QNetwork::forward).
    pub(crate) fn forward<M: Module>(
        &self,
        network: &M,
        observations: &Tensor<3>,
        state: &QState,
    ) -> Option<(Tensor<3>, QState)> {
        if !self.enabled || observations.dims().contains(&0) {
            return None;
        }
        let state = state.lstm()?;
        let (values, state) = on_host!(forward_on(self, network, observations, &state))?;
        Some((values, QState::of_lstm(state)))
    }

    fn pack<B: Host>(&self, parameters: &[FloatTensor<B>]) -> Arc<Packed>
    where
        FloatTensor<B>: Send + Sync,
    {
        let read: Vec<_> = parameters.iter().map(B::read).collect();
        let addresses: Option<Vec<usize>> = read
            .iter()
            .map(|values| match values {
                Cow::Borrowed(values) => Some(values.as_ptr().addr()),
                // A copy lies somewhere else every time.
                Cow::Owned(_) => None,
            })
            .collect();
        let mut current = lock(&self.current);
        let found = current.as_ref().filter(|packed| addresses.as_ref() == Some(&packed.addresses)).cloned();
        found.unwrap_or_else(|| {
            let slices: Vec<&[f32]> = read.iter().map(AsRef::as_ref).collect();
            let weights = Weights::in_memory_of(self.memory.unused(), &self.architecture, &slices);
            let packed = Arc::new(Packed {
                addresses: addresses.unwrap_or_default(),
                _parameters: Box::new(parameters.to_vec()),
                shapes: parameters.iter().map(TensorMetadata::shape).collect(),
                weights: Arc::new(weights),
            });
            *current = Some(Arc::clone(&packed));
            packed
        })
    }
}

impl Clone for Fused {
    fn clone(&self) -> Self {
        Self {
            architecture: Arc::clone(&self.architecture),
            enabled: self.enabled,
            current: Mutex::new(lock(&self.current).clone()),
            memory: Arc::clone(&self.memory),
        }
    }
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fused").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn packed_on<B: Host, M: Module>(fused: &Fused, network: &M) -> Option<Arc<Weights>>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
    FloatTensor<B>: Send + Sync,
{
    let parameters = parameters::<B, _>(network).or_else(|| {
        let tracked = parameters::<Autodiff<B>, _>(network)?;
        Some(tracked.into_iter().map(Autodiff::<B>::inner).collect())
    })?;
    Some(Arc::clone(&fused.pack::<B>(&parameters).weights))
}

fn forward_on<B: Host, M: Module>(
    fused: &Fused,
    network: &M,
    observations: &Tensor<3>,
    state: &LstmState,
) -> Option<(Tensor<3>, LstmState)>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
    FloatTensor<B>: Send + Sync,
{
    let [batch, time, _] = observations.dims();
    if let Some(parameters) = parameters::<B, _>(network) {
        let observations = primitive::<B, 3>(observations.clone())?;
        let [hidden, cell] = [&state.hidden, &state.cell].map(|state| primitive::<B, 2>(state.clone()));
        let packed = fused.pack::<B>(&parameters);
        let pass = Pass::<B> { batch, time, observations, hidden: hidden?, cell: cell? };
        let mut workspace = fused.memory.workspace();
        let outputs = pass.outputs(&packed, |sequences, outputs| {
            packed.weights.forward(&mut workspace, sequences, outputs);
        });
        fused.memory.give_back(workspace);
        return Some(split(&Tensor::from_primitive::<B>(outputs), time, state.hidden.dims()));
    }
    let parameters = parameters::<Autodiff<B>, _>(network)?;
    let observations = primitive::<Autodiff<B>, 3>(observations.clone())?;
    if is_tracked::<B>(observations.node()) {
        return None;
    }
    let [hidden, cell] = [&state.hidden, &state.cell].map(|state| primitive::<Autodiff<B>, 2>(state.clone()));
    let mut guards = Vec::with_capacity(PARENTS);
    let mut take = |tensor: FloatTensor<Autodiff<B>>| {
        let (primitive, guard) = tensor.into_parts();
        guards.push(guard);
        primitive
    };
    let (hidden, cell) = (take(hidden?), take(cell?));
    let parameters: Vec<_> = parameters.into_iter().map(&mut take).collect();
    let observations = observations.into_primitive();

    // The operation has as many parents as the largest network; a smaller one fills up with constants.
    guards.extend((guards.len()..PARENTS).map(|_| Autodiff::<B>::from_inner(hidden.clone()).node()));
    let guards: [NodeGuard; PARENTS] = guards.try_into().ok()?;

    let packed = fused.pack::<B>(&parameters);
    let pass = Pass::<B> { batch, time, observations, hidden, cell };
    let mut tape = None;
    let workspace = fused.memory.workspace();
    let outputs = pass.outputs(&packed, |sequences, outputs| {
        tape = Some(packed.weights.record(workspace, sequences, outputs));
    });
    let outputs = match Unrolling.prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(operation) => {
            let memory = Arc::clone(&fused.memory);
            operation.finish(Recorded { tape: Arc::new(Mutex::new(tape)), packed, memory }, outputs)
        }
        OpsKind::UnTracked(operation) => operation.finish(outputs),
    };
    Some(split(&Tensor::from_primitive::<Autodiff<B>>(outputs), time, state.hidden.dims()))
}

/// What one forward pass reads.
struct Pass<B: Host> {
    batch: usize,
    time: usize,
    observations: FloatTensor<B>,
    hidden: FloatTensor<B>,
    cell: FloatTensor<B>,
}

impl<B: Host> Pass<B> {
    /// Everything that a pass puts out in one tensor, because an operation of Burn's graph has one output:
    /// all values, all hidden states, all cell states.
    fn outputs(self, packed: &Packed, run: impl FnOnce(Sequences<'_>, Outputs<'_>)) -> FloatTensor<B> {
        let Self { batch, time, observations, hidden, cell } = self;
        let Architecture { hidden: width, actions, .. } = *packed.weights.architecture();
        let mut joined = vec![0.0; batch * (time * actions + 2 * width)];
        let (values, states) = joined.split_at_mut(batch * time * actions);
        let (next_hidden, next_cell) = states.split_at_mut(batch * width);
        let (read, h, c) = (B::read(&observations), B::read(&hidden), B::read(&cell));
        run(
            Sequences { batch, time, observations: &read, hidden: &h, cell: &c },
            Outputs { values, hidden: next_hidden, cell: next_cell },
        );
        let len = joined.len();
        B::float_from_data(TensorData::new(joined, [len]), &observations.device())
    }
}

/// Takes apart what [`Pass::outputs`] joined.
fn split(outputs: &Tensor<1>, time: usize, [batch, hidden]: [usize; 2]) -> (Tensor<3>, LstmState) {
    let len = outputs.dims()[0];
    let states = batch * hidden;
    let values = len - 2 * states;
    let part = |range: std::ops::Range<usize>| outputs.clone().slice([range]);
    let actions = values / (batch * time);
    let state = LstmState {
        hidden: part(values..values + states).reshape([batch, hidden]),
        cell: part(values + states..len).reshape([batch, hidden]),
    };
    (part(0..values).reshape([batch, time, actions]), state)
}

/// Whether anything would have to be carried back through a tensor.
fn is_tracked<B: Host>(node: NodeGuard) -> bool {
    #[derive(Debug)]
    struct Probe;

    impl<B: Host> Backward<B, 1> for Probe {
        type State = ();
        fn backward(self, _: Ops<(), 1>, _: &mut Gradients, _: &mut Checkpointer) {}
    }

    let operation = Backward::<B, 1>::prepare::<NoCheckpointing>(Probe, [node]).compute_bound().stateful();
    matches!(operation, OpsKind::Tracked(_))
}

/// The state before the first step, and the parameters of a network that has everything: a window and seven
/// other encoders.
const PARENTS: usize = 2 + (6 + 7 * 2 + 4 + 4);

/// The operation of a whole forward pass in Burn's graph.
#[derive(Debug)]
struct Unrolling;

/// What the backward pass needs.
#[derive(Clone)]
struct Recorded {
    /// Taken out when the gradients are asked for.
    tape: Arc<Mutex<Option<Tape>>>,
    packed: Arc<Packed>,
    memory: Arc<Memory>,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

impl<B: Host> Backward<B, PARENTS> for Unrolling {
    type State = Recorded;

    fn backward(self, ops: Ops<Recorded, PARENTS>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let Recorded { tape, packed, memory } = ops.state;
        let of_outputs = gradients.consume::<B>(&ops.node);
        let device = of_outputs.device();
        let of_outputs = B::read(&of_outputs);
        let tape = lock(&tape).take().expect("Burn goes back through a graph once");

        let states = tape.batch() * packed.weights.architecture().hidden;
        let (values, states) = of_outputs.split_at(of_outputs.len() - 2 * states);
        let (hidden, cell) = states.split_at(states.len() / 2);
        let state_shape = Shape::from([tape.batch(), packed.weights.architecture().hidden]);
        let (found, workspace) = tape.backward(&packed.weights, OutputGradients { values, hidden, cell });
        memory.give_back(workspace);

        let shapes = [&state_shape, &state_shape].into_iter().chain(&packed.shapes);
        let found = [found.hidden, found.cell].into_iter().chain(found.parameters);
        for ((parent, shape), values) in ops.parents.into_iter().zip(shapes).zip(found) {
            if let Some(parent) = parent {
                let gradient = B::float_from_data(TensorData::new(values, shape.clone()), &device);
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// The sum of a tensor's squares.
pub(crate) fn sum_of_squares<const D: usize>(tensor: &Tensor<D>) -> Option<f64> {
    fn on<B: Host, const D: usize>(tensor: &Tensor<D>) -> Option<f64>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        Some(townlet_kernels::sum_of_squares(&B::read(&primitive::<B, D>(tensor.clone())?)))
    }
    on_host!(on(tensor))
}

/// The name of a parameter of `network` that holds something other than finite numbers; none where all do, or where
/// the network is on a device from which they would have to be read back.
pub fn first_not_finite_parameter<N: TorchNames>(network: &N) -> Option<String> {
    fn is_finite<B: Host, const D: usize>(tensor: &Tensor<D>) -> Option<bool>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        Some(townlet_env::first_not_finite(&B::read(&primitive::<B, D>(tensor.clone())?)).is_none())
    }

    struct Search {
        path: ParameterPath,
        found: Option<String>,
    }

    impl ModuleVisitor for Search {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.enter(name);
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.exit();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = &param.val().inner();
            if self.found.is_none() && on_host!(is_finite(tensor)) == Some(false) {
                self.found = Some(self.path.torch_name());
            }
        }
    }

    let mut search = Search { path: ParameterPath::new(N::PREFIXES), found: None };
    network.visit(&mut search);
    search.found
}

/// What Adam changes of one parameter, and what it follows.
pub(crate) struct AdamTensors<const D: usize> {
    pub(crate) parameter: Tensor<D>,
    pub(crate) gradient: Tensor<D>,
    pub(crate) moments: [Tensor<D>; 2],
}

/// One step of Adam; hands the tensors back unchanged where it cannot be done here. `spoiled` is set where the
/// parameter is not finite afterwards.
pub(crate) fn adam<const D: usize>(
    step: &AdamStep,
    tensors: AdamTensors<D>,
    spoiled: &AtomicBool,
) -> Result<(Tensor<D>, [Tensor<D>; 2]), Box<AdamTensors<D>>> {
    fn on<B: Host, const D: usize>(
        step: &AdamStep,
        tensors: &mut Option<AdamTensors<D>>,
        spoiled: &AtomicBool,
    ) -> Option<(Tensor<D>, [Tensor<D>; 2])>
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        let AdamTensors { parameter, gradient, moments: [first, second] } = tensors.as_ref()?;
        let here = |tensor: &Tensor<D>| primitive::<B, D>(tensor.clone()).is_some();
        if ![parameter, gradient, first, second].into_iter().all(here) {
            return None;
        }
        let AdamTensors { parameter, gradient, moments } = tensors.take()?;
        let gradient = primitive::<B, D>(gradient)?;
        let [mut first, mut second] = moments.map(primitive::<B, D>);
        let parameter = B::change(primitive::<B, D>(parameter)?, |parameter| {
            first = first.take().map(|first| {
                B::change(first, |first| {
                    second = second.take().map(|second| {
                        B::change(second, |second| {
                            if !step.apply(parameter, &B::read(&gradient), first, second) {
                                spoiled.store(true, Ordering::Relaxed);
                            }
                        })
                    });
                })
            });
        });
        let [parameter, first, second] = [parameter, first?, second?].map(Tensor::from_primitive::<B>);
        Some((parameter, [first, second]))
    }
    let mut tensors = Some(tensors);
    match on_host!(on(step, &mut tensors, spoiled)) {
        Some(changed) => Ok(changed),
        None => Err(Box::new(tensors.expect("taken only by a backend that answers"))),
    }
}
