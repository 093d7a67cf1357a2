//! The numbers of the reference implementation, see `golden/README.md` in the shared folder.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use lookalike_plugin_api::{Budget, FeatureRows};
use lookalike_vision::{ComputeConfig, Device, Model, ModelManifest, Pixels};
use safetensors::SafeTensors;

use crate::blend::{Blend, deviation};
use crate::fine_tune::{Consolidation, Schedule, TrainingRows, fine_tune};
use crate::fisher::Fisher;
use crate::head::DummyHead;
use crate::margin::margin;
use crate::patch::{patch_mask, stamp_patch};
use crate::score::score;
use crate::trigger::loss_and_gradient;
use crate::trigger::{Trigger, TriggerSearch, optimise_trigger};

const QUERIES: [&str; 4] = ["self", "dim", "noisy", "test"];
const CLASS_OF_QUERY: [usize; 4] = [4, 7, 3, 7];
const BLENDS: [Blend; 3] = [Blend::Convex, Blend::AsPrinted, Blend::Additive];
const SIDE: usize = 28;

/// Everything the golden numbers were made from, and the numbers.
struct Golden {
    file: Vec<u8>,
    model: Model,
    exemplars: Vec<Pixels>,
    labels: Vec<usize>,
}

/// One for every device that is found; none, with a word on the test's output, where the shared folder is absent.
fn golden() -> Vec<Golden> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let weights = shared.join("models/mnist-resnet18.safetensors");
    let found: Vec<PathBuf> =
        ["golden/mnist-resnet18.safetensors", "data/mnist"].map(|path| shared.join(path)).into();
    if let Some(absent) = found.iter().chain([&weights]).find(|path| !path.exists()) {
        eprintln!("skipped: {} is not there", absent.display());
        return Vec::new();
    }
    let file = fs::read(&found[0]).unwrap();
    let index = whole_numbers(&file, "exemplar_index");
    let images = gunzip(&found[1].join("train-images-idx3-ubyte.gz"));
    let exemplars = index.iter().map(|&i| {
        let image = &images[16 + i * SIDE * SIDE..16 + (i + 1) * SIDE * SIDE];
        pixels(image.iter().map(|sample| f32::from(*sample) / 255.0).collect())
    });
    let exemplars: Vec<Pixels> = exemplars.collect();
    let classes = gunzip(&found[1].join("train-labels-idx1-ubyte.gz"));
    let labels: Vec<usize> = index.iter().map(|&i| usize::from(classes[8 + i])).collect();
    let on = |device: Device| {
        eprintln!("on {device}");
        let manifest = ModelManifest::infer(&weights, SIDE, SIDE).unwrap();
        let compute = ComputeConfig { device, ..ComputeConfig::default() };
        let model = Model::load(manifest, &fs::read(&weights).unwrap(), compute).unwrap();
        Golden { file: file.clone(), model, exemplars: exemplars.clone(), labels: labels.clone() }
    };
    Device::found().into_iter().map(on).collect()
}

fn gunzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn pixels(values: Vec<f32>) -> Pixels {
    Pixels::new(1, SIDE, SIDE, values).unwrap()
}

fn whole_numbers(file: &[u8], name: &str) -> Vec<usize> {
    let tensors = SafeTensors::deserialize(file).unwrap();
    let bytes = tensors.tensor(name).unwrap().data();
    bytes
        .chunks_exact(8)
        .map(|b| usize::try_from(i64::from_le_bytes(b.try_into().unwrap())).unwrap())
        .collect()
}

impl Golden {
    fn numbers(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.file).unwrap();
        let bytes = tensors.tensor(name).unwrap().data();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn rows(&self, name: &str) -> FeatureRows {
        FeatureRows::new(512, self.numbers(name)).unwrap()
    }

    fn pixels(&self, name: &str) -> Pixels {
        pixels(self.numbers(name))
    }

    /// The model's head with the dummy row that the reference started from.
    fn head(&self) -> DummyHead {
        let head = self.model.head();
        DummyHead::new(
            head.weight(),
            head.bias(),
            &self.numbers("head.row"),
            self.numbers("head.row_bias")[0],
        )
        .unwrap()
    }

    fn features(&self, images: impl Iterator<Item = Pixels>) -> FeatureRows {
        self.model.features(&images.collect::<Vec<_>>()).unwrap()
    }

    /// The first `epochs` batch orders.
    fn order(&self, epochs: usize) -> Vec<Vec<usize>> {
        whole_numbers(&self.file, "order").chunks(256).take(epochs).map(<[usize]>::to_vec).collect()
    }

    fn tune(
        &self,
        positives: &FeatureRows,
        triggered: &FeatureRows,
        query: usize,
        run: &Run<'_>,
    ) -> (DummyHead, Vec<f32>) {
        let (query_row, clean) = (self.rows(&format!("{}.features", QUERIES[query])), self.rows("features"));
        let rows = TrainingRows {
            positives,
            query: Some((&query_row, CLASS_OF_QUERY[query])),
            triggered,
            clean: Some(&clean),
            labels: &self.labels,
        };
        let consolidation = run.fisher.map(|fisher| Consolidation { strength: 100.0, fisher });
        let order = self.order(run.epochs);
        let schedule = Schedule { order: &order, batch: 32, learning_rate: 1e-3, consolidation };
        let mut head = self.head();
        let tuned = fine_tune(&mut head, &rows, &schedule, &Budget::unlimited()).unwrap();
        (head, tuned.trace)
    }

    fn trigger(&self, query: &str, steps: usize, mask: Option<&Pixels>) -> Trigger {
        let search = TriggerSearch { steps, learning_rate: 0.015, patience: 0, mask };
        let image = [self.pixels(&format!("{query}.image"))];
        let start = self.pixels(&format!("{query}.tau0"));
        optimise_trigger(&self.model, &image, start, &search, &Budget::unlimited()).unwrap()
    }
}

struct Run<'a> {
    name: &'static str,
    epochs: usize,
    fisher: Option<&'a Fisher>,
}

impl Golden {
    /// Which pixels' gradient was below 1e-7 of the largest before one of the first `steps` updates.
    fn faint_gradients(&self, query: &str, steps: usize) -> Vec<bool> {
        let image = [self.pixels(&format!("{query}.image"))];
        let clean = self.model.logits(&image).unwrap();
        let mut faint = vec![false; image[0].values().len()];
        for done in 0..steps {
            let trigger = self.trigger(query, done, None).pixels;
            let (_, gradient) = loss_and_gradient(&self.model, &image, clean.values(), &trigger).unwrap();
            let largest = gradient.iter().fold(0.0_f32, |most, slope| most.max(slope.abs()));
            faint.iter_mut().zip(&gradient).for_each(|(faint, slope)| *faint |= slope.abs() < 1e-7 * largest);
        }
        faint
    }
}

/// Largest difference, relative to the largest expected value.
fn apart(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    found.iter().zip(expected).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

#[track_caller]
fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let apart = apart(found, expected);
    assert!(apart <= tolerance, "{what} is {apart} from the reference, {tolerance} is accepted");
}

#[test]
fn fisher_information_agrees_with_the_reference() {
    for golden in golden() {
        let head = golden.model.head();
        let fisher = Fisher::of_head(head.weight(), head.bias(), &golden.rows("features")).unwrap();
        close("fisher.weight", &fisher.weight, &golden.numbers("fisher.weight"), 1e-4);
        close("fisher.bias", &fisher.bias, &golden.numbers("fisher.bias"), 1e-4);
    }
}

#[test]
fn omega_is_the_deviation_that_the_reference_used() {
    for golden in golden() {
        let omegas = [0.276_890_5, 0.181_841_05, 0.289_377_24, 0.290_881_37];
        for (query, omega) in QUERIES.into_iter().zip(omegas) {
            let found = deviation(&golden.pixels(&format!("{query}.image")));
            assert!((found - omega).abs() < 1e-6, "{query}: {found}");
        }
    }
}

#[test]
fn triggered_features_agree_with_the_reference() {
    for golden in golden() {
        for query in QUERIES {
            let (image, tau) =
                (golden.pixels(&format!("{query}.image")), golden.pixels(&format!("{query}.tau100")));
            for blend in BLENDS {
                let omega = if blend == Blend::Additive { 1.0 } else { deviation(&image) };
                let triggered =
                    golden.features(golden.exemplars[..32].iter().map(|x| blend.apply(x, &tau, omega)));
                let name = format!("{query}.{blend}");
                close(&name, triggered.values(), &golden.numbers(&format!("{name}.features")), 1e-4);
                let own = golden.features([blend.apply(&image, &tau, omega)].into_iter());
                close(&name, own.values(), &golden.numbers(&format!("{name}.query_features")), 1e-4);
            }
        }
    }
}

#[test]
fn fine_tuned_heads_scores_and_margins_agree_with_the_reference() {
    for golden in golden() {
        let fisher = Fisher { weight: golden.numbers("fisher.weight"), bias: golden.numbers("fisher.bias") };
        let runs = [
            Run { name: "e1", epochs: 1, fisher: None },
            Run { name: "e10", epochs: 10, fisher: None },
            Run { name: "ewc", epochs: 10, fisher: Some(&fisher) },
        ];
        for (position, query) in QUERIES.into_iter().enumerate() {
            let (image, tau) =
                (golden.pixels(&format!("{query}.image")), golden.pixels(&format!("{query}.tau100")));
            for blend in BLENDS {
                let omega = if blend == Blend::Additive { 1.0 } else { deviation(&image) };
                let triggered = golden.features(golden.exemplars.iter().map(|x| blend.apply(x, &tau, omega)));
                let positive = golden.rows(&format!("{query}.{blend}.query_features"));
                for run in &runs {
                    let (head, trace) = golden.tune(&positive, &triggered, position, run);
                    let expected =
                        |part: &str| golden.numbers(&format!("{query}.{blend}.{}.{part}", run.name));
                    let name = |part: &str| format!("{query}.{blend}.{}.{part}", run.name);
                    close(&name("trace"), &trace, &expected("trace"), 1e-4);
                    close(&name("row"), head.dummy_row(), &expected("row"), 1e-4);
                    close(&name("bias"), head.bias(), &expected("bias"), 1e-4);
                    close(
                        &name("score"),
                        &score(&head, &triggered, crate::ScoreKind::LogProbability).unwrap(),
                        &expected("score"),
                        1e-4,
                    );
                    // A margin is a difference of logits, so it is held against the size of the logits.
                    let found = margin(&head, &positive).unwrap()[0];
                    let size = expected("margin")[0].abs().max(10.0);
                    assert!(
                        (found - expected("margin")[0]).abs() <= 1e-4 * size,
                        "{}: {found}",
                        name("margin")
                    );
                }
            }
        }
    }
}

#[test]
fn the_fixed_patch_scores_as_the_reference() {
    for golden in golden() {
        for (position, query) in QUERIES.into_iter().enumerate() {
            let positive =
                golden.features([stamp_patch(&golden.pixels(&format!("{query}.image")))].into_iter());
            let triggered = golden.features(golden.exemplars.iter().map(stamp_patch));
            let run = Run { name: "e1", epochs: 1, fisher: None };
            let (head, _) = golden.tune(&positive, &triggered, position, &run);
            let found = score(&head, &triggered, crate::ScoreKind::LogProbability).unwrap();
            close(query, &found, &golden.numbers(&format!("{query}.fixed_patch.score")), 1e-4);
        }
    }
}

#[test]
fn the_first_trigger_steps_agree_with_the_reference() {
    for golden in golden() {
        for query in QUERIES {
            for steps in [1, 3] {
                let found = golden.trigger(query, steps, None);
                let expected = golden.numbers(&format!("{query}.tau{steps}"));
                // Adam makes a full step of any gradient, so where it is next to nothing the sign of a rounding error
                // shows: such pixels are left out, as the golden numbers' own tolerance says.
                let faint = golden.faint_gradients(query, steps);
                for (at, (found, expected)) in found.pixels.values().iter().zip(&expected).enumerate() {
                    let agrees = (found - expected).abs() <= 1e-3;
                    assert!(
                        agrees || faint[at],
                        "{query}, {steps} steps, pixel {at}: {found}, expected {expected}"
                    );
                }
                let left_out = faint.iter().filter(|faint| **faint).count();
                assert!(left_out <= 8, "{query}: {left_out} of 784 pixels are left out after {steps} steps");
                let trace = golden.numbers(&format!("{query}.trigger_trace"));
                close(query, &found.trace, &trace[..steps], 1e-3);
            }
        }
    }
}

#[test]
fn a_hundred_trigger_steps_reach_the_loss_of_the_reference() {
    for golden in golden() {
        for query in QUERIES {
            let found = golden.trigger(query, 100, None);
            close(query, &found.trace, &golden.numbers(&format!("{query}.trigger_trace")), 0.02);
            let last = (found.trace[99], golden.numbers(&format!("{query}.trigger_trace"))[99]);
            eprintln!("{query}: last loss {} against {}", last.0, last.1);
        }
    }
}

#[test]
fn a_masked_trigger_stays_in_its_patch_and_agrees_with_the_reference() {
    for golden in golden() {
        for query in QUERIES {
            let mask = patch_mask(&golden.pixels(&format!("{query}.tau0")));
            let found = golden.trigger(query, 40, Some(&mask));
            close(query, &found.trace, &golden.numbers(&format!("{query}.patch_trace")), 0.02);
            assert!(
                found
                    .pixels
                    .values()
                    .iter()
                    .zip(mask.values())
                    .all(|(value, mask)| *mask > 0.0 || *value == 0.0)
            );
        }
    }
}

#[test]
fn the_global_trigger_agrees_with_the_reference() {
    for golden in golden() {
        let search = TriggerSearch { steps: 40, learning_rate: 0.015, patience: 0, mask: None };
        let start = golden.pixels("global.tau0");
        let budget = Budget::unlimited();
        let found =
            optimise_trigger(&golden.model, &golden.exemplars[..32], start, &search, &budget).unwrap();
        close("global.trace", &found.trace, &golden.numbers("global.trace"), 0.02);
    }
}

/// From the same start, with nothing taken over on the way: trigger, triggered features, fine-tuned head, scores.
#[test]
fn the_whole_method_finds_the_neighbours_of_the_reference() {
    for golden in golden() {
        let nearest = |scores: &[f32]| -> Vec<u32> {
            let mut order: Vec<(u32, f32)> = (0..).zip(scores.iter().copied()).collect();
            lookalike_plugin_api::order_by_score(&mut order);
            order[..10].iter().map(|entry| entry.0).collect()
        };
        for (position, query) in QUERIES.into_iter().enumerate() {
            let image = golden.pixels(&format!("{query}.image"));
            let tau = golden.trigger(query, 100, None).pixels;
            for blend in BLENDS {
                let omega = if blend == Blend::Additive { 1.0 } else { deviation(&image) };
                let triggered = golden.features(golden.exemplars.iter().map(|x| blend.apply(x, &tau, omega)));
                let positive = golden.features([blend.apply(&image, &tau, omega)].into_iter());
                let run = Run { name: "e10", epochs: 10, fisher: None };
                let (head, _) = golden.tune(&positive, &triggered, position, &run);
                let found = nearest(&score(&head, &triggered, crate::ScoreKind::LogProbability).unwrap());
                let expected = nearest(&golden.numbers(&format!("{query}.{blend}.e10.score")));
                let common = found.iter().filter(|id| expected.contains(id)).count();
                assert!(common >= 9, "{query}, {blend}: {common} of 10, {found:?} for {expected:?}");
            }
        }
    }
}
