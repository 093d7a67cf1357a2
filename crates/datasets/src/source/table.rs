//! The official downloads. Sizes and SHA-256 digests are those that TensorFlow Datasets checks (its `url_checksums`; of
//! SVHN also torchvision's prototype readers), MD5 digests those that torchvision checks and, for the training images
//! of GTSRB, that its users publish in agreement.

use super::{Digest, Packing, Source, SourceFile};

/// Where the official files of the known data sets are; as data, this crate fetches nothing.
pub const SOURCES: [Source; 7] = [
    Source {
        name: "mnist",
        page: "http://yann.lecun.com/exdb/mnist/",
        files: &[
            SourceFile {
                name: "train-images-idx3-ubyte.gz",
                urls: &[
                    "https://storage.googleapis.com/cvdf-datasets/mnist/train-images-idx3-ubyte.gz",
                    "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
                ],
                bytes: 9_912_422,
                digest: Digest::Sha256("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                packing: Packing::Ready,
            },
            SourceFile {
                name: "train-labels-idx1-ubyte.gz",
                urls: &[
                    "https://storage.googleapis.com/cvdf-datasets/mnist/train-labels-idx1-ubyte.gz",
                    "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
                ],
                bytes: 28_881,
                digest: Digest::Sha256("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                packing: Packing::Ready,
            },
            SourceFile {
                name: "t10k-images-idx3-ubyte.gz",
                urls: &[
                    "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz",
                    "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
                ],
                bytes: 1_648_877,
                digest: Digest::Sha256("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                packing: Packing::Ready,
            },
            SourceFile {
                name: "t10k-labels-idx1-ubyte.gz",
                urls: &[
                    "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz",
                    "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
                ],
                bytes: 4_542,
                digest: Digest::Sha256("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
                packing: Packing::Ready,
            },
        ],
    },
    Source {
        name: "fashion-mnist",
        page: "https://github.com/zalandoresearch/fashion-mnist",
        files: &[
            SourceFile {
                name: "train-images-idx3-ubyte.gz",
                urls: &[
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-images-idx3-ubyte.gz",
                ],
                bytes: 26_421_880,
                digest: Digest::Sha256("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                packing: Packing::Ready,
            },
            SourceFile {
                name: "train-labels-idx1-ubyte.gz",
                urls: &[
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/train-labels-idx1-ubyte.gz",
                ],
                bytes: 29_515,
                digest: Digest::Sha256("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                packing: Packing::Ready,
            },
            SourceFile {
                name: "t10k-images-idx3-ubyte.gz",
                urls: &[
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-images-idx3-ubyte.gz",
                ],
                bytes: 4_422_102,
                digest: Digest::Sha256("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                packing: Packing::Ready,
            },
            SourceFile {
                name: "t10k-labels-idx1-ubyte.gz",
                urls: &[
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/t10k-labels-idx1-ubyte.gz",
                ],
                bytes: 5_148,
                digest: Digest::Sha256("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
                packing: Packing::Ready,
            },
        ],
    },
    Source {
        name: "cifar10",
        page: "https://www.cs.toronto.edu/~kriz/cifar.html",
        files: &[SourceFile {
            name: "cifar-10-binary.tar.gz",
            urls: &["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
            bytes: 170_052_171,
            digest: Digest::Sha256("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
            packing: Packing::TarGz,
        }],
    },
    Source {
        name: "cifar100",
        page: "https://www.cs.toronto.edu/~kriz/cifar.html",
        files: &[SourceFile {
            name: "cifar-100-binary.tar.gz",
            urls: &["https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"],
            bytes: 168_513_733,
            digest: Digest::Sha256("58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
            packing: Packing::TarGz,
        }],
    },
    Source {
        name: "svhn",
        page: "http://ufldl.stanford.edu/housenumbers/",
        files: &[
            SourceFile {
                name: "train_32x32.mat",
                urls: &["http://ufldl.stanford.edu/housenumbers/train_32x32.mat"],
                bytes: 182_040_794,
                digest: Digest::Sha256("435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
                packing: Packing::Ready,
            },
            SourceFile {
                name: "test_32x32.mat",
                urls: &["http://ufldl.stanford.edu/housenumbers/test_32x32.mat"],
                bytes: 64_275_384,
                digest: Digest::Sha256("cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
                packing: Packing::Ready,
            },
        ],
    },
    Source {
        name: "svhn-extra",
        page: "http://ufldl.stanford.edu/housenumbers/",
        files: &[SourceFile {
            name: "extra_32x32.mat",
            urls: &["http://ufldl.stanford.edu/housenumbers/extra_32x32.mat"],
            bytes: 1_329_278_602,
            digest: Digest::Sha256("a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3"),
            packing: Packing::Ready,
        }],
    },
    Source {
        name: "gtsrb",
        page: "https://benchmark.ini.rub.de/gtsrb_dataset.html",
        files: &[
            SourceFile {
                name: "GTSRB_Final_Training_Images.zip",
                urls: &[
                    "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_Training_Images.zip",
                ],
                bytes: 276_294_756,
                digest: Digest::Md5("f33fd80ac59bff73c82d25ab499e03a3"),
                packing: Packing::Zip,
            },
            SourceFile {
                name: "GTSRB_Final_Test_Images.zip",
                urls: &[
                    "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_Test_Images.zip",
                ],
                bytes: 88_978_620,
                digest: Digest::Md5("c7e4e6327067d32654124b0fe9e82185"),
                packing: Packing::Zip,
            },
            SourceFile {
                name: "GTSRB_Final_Test_GT.zip",
                urls: &[
                    "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB_Final_Test_GT.zip",
                ],
                bytes: 99_620,
                digest: Digest::Md5("fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
                packing: Packing::Zip,
            },
        ],
    },
];
