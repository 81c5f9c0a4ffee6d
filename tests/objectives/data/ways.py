"""Ways to a held-out file that a trial may try: what is refused, what hiding closes, and what is outside of both.

docs/seal.md shows them by group. Each is a program of `test_seal.SCRIPT`, tried in a sealed process; those that the
seal does not refuse also in one from which test files are hidden.
"""

from collections.abc import Mapping

Ways = Mapping[str, Mapping[str, str]]
"""Programs by the group and the name of a way."""

REFUSED: Ways = {
    "Opening": {
        "open": "open(image)",
        "open a Path": "image.read_bytes()",
        "open bytes": "open(os.fsencode(image))",
        "open to write": "open(sealed / 'a' / 'new.png', 'wb')",
        "io.FileIO": "io.FileIO(str(image))",
        "io.open_code": "io.open_code(str(image))",
        "os.open": "os.open(image, os.O_RDONLY)",
        "the folder by os.open": "os.open(sealed, os.O_RDONLY)",
        "swallowed once": "try:\n    open(image)\nexcept OSError:\n    open(image)",
        "a second install": "install(find_sealed_paths(top, top)); open(image)",
        "this program's own reader": "from objectives.data.heldout import open_heldout; open_heldout('mine', data, cache)",  # noqa: E501
    },
    "Libraries": {
        "np.load": "np.load(sealed / 'a' / 'array.npy', mmap_mode='r')",
        "np.fromfile": "np.fromfile(image, dtype=np.uint8)",
        "PIL": "Image.open(image)",
        "np.memmap": "np.memmap(image, mode='r')",
        "np.genfromtxt": "np.genfromtxt(image)",
        "torch.load": "torch.load(image, weights_only=True)",
        "torchvision's ImageFolder": "torchvision.datasets.ImageFolder(str(sealed))",
        "torchvision's FashionMNIST": "torchvision.datasets.FashionMNIST(str(top / 'torchvision'), train=False)",
        "zipfile": "zipfile.ZipFile(image)",
        "tarfile": "tarfile.open(image)",
        "mmap": "mmap.mmap(os.open(image, os.O_RDONLY), 0, prot=mmap.PROT_READ)",
    },
    "Listing": {
        "listdir": "os.listdir(sealed)",
        "scandir": "os.scandir(sealed / 'a')",
        "glob": "assert list(sealed.glob('*/*.png')) == []; os.listdir(sealed)",
    },
    "Paths": {
        "relative": "open('sets/mine/test/a/00000.png')",
        "up and down": "open('sets/mine/train/../test/a/00000.png')",
        "chdir and relative": "os.chdir(sealed / 'a'); open('00000.png')",
        "chdir and list": "os.chdir(sealed); os.listdir()",
        "magic links": "open('/proc/self/cwd/sets/mine/test/a/00000.png')",
        "the root by /proc": "open(f'/proc/self/root{image}')",
        "a double slash": "open('/' + str(image).replace('/mine/', '//mine//'))",
    },
    "Symbolic links": {
        "symlink to the folder": "open(top / 'alias' / 'a' / '00000.png')",
        "symlink to the file": "open(top / 'innocent.png')",
        "symlink to the data folder": "open(top / 'sets-alias' / 'mine' / 'test' / 'a' / '00000.png')",
        "the target of a symlink in a sealed place": "open(data / 'linked' / 'test' / 'a' / '00000.png')",
        "a link out of a sealed place": "open(sealed / 'a' / 'linked.png')",
        "the folder that a sealed link leads to": "open(top / 'store' / 'a' / '00000.png')",
        "new symlink": "os.symlink(sealed, other)",
        "new relative symlink": "os.symlink('mine/test', data / 'other')",
    },
    "Descriptors": {
        "dir_fd": "os.open('test/a/00000.png', os.O_RDONLY, dir_fd=before)",
        "dir_fd inside": "os.open('a/00000.png', os.O_RDONLY, dir_fd=before_test)",
        "opener": "open('test/a/00000.png', opener=lambda p, f: os.open(p, f, dir_fd=before))",
        "listdir of a descriptor": "os.listdir(before_test)",
        "scandir of a descriptor": "os.scandir(before_test)",
        "rename by descriptor": "os.rename('test', other, src_dir_fd=before)",
        "hard link by descriptor": "os.link('test/a/00000.png', other, src_dir_fd=before)",
        "O_PATH": "os.open(image, os.O_PATH)",
        "a descriptor that C opened, by os.fdopen": "os.fdopen(open_in_c(image))",
        "a directory that C opened, by os.listdir": "os.listdir(open_in_c(sealed))",
    },
    "Copies, moves, removal": {
        "copy": "shutil.copy(image, other)",
        "copy all": "shutil.copytree(data / 'mine', other)",
        "rename it": "os.rename(sealed, other)",
        "rename its folder": "os.rename(data / 'mine', other)",
        "rename the data folder": "os.replace(data, other)",
        "move": "shutil.move(data / 'mine', other)",
        "hard link": "os.link(image, other)",
        "remove": "image.unlink()",
        "truncate": "os.truncate(image, 0)",
        "remove all": "shutil.rmtree(sealed)",
        "move a file": "shutil.move(image, other)",
        "copytree of the folder": "shutil.copytree(sealed, other)",
    },
    "Known names in any folder": {
        "a data set that comes later": "open(data / 'later' / 'test' / 'a' / '0.png', 'wb')",
        "MNIST's file elsewhere": "open('t10k-images-idx3-ubyte')",
        "any t10k file": "open(top / 't10k-else.npz')",
        "CIFAR-10's batch elsewhere": "open('test_batch', 'rb')",
        "CIFAR-100's batch": "open(data / 'cifar-100-python' / 'test')",
        "CIFAR-100's batch elsewhere": "open('cifar-100-python/test')",
        "the archive": "open(data / 'cifar-10-python.tar.gz', 'rb')",
        "digits": "np.load(cache / 'digits' / 'digits-held-out.npz')",
        "scikit-learn's digits": "from sklearn.datasets import load_digits; load_digits()",
    },
    "Other processes and threads": {
        "after a fork": "os._exit(0) if os.fork() else open(image)",
        "a thread": "ThreadPoolExecutor(1).submit(open, image).result()",
        "multiprocessing, fork": "in_process('fork', os.listdir, sealed)",
        "multiprocessing, spawn": "in_process('spawn', os.listdir, sealed)",
        "multiprocessing, forkserver": "in_process('forkserver', os.listdir, sealed)",
        "a data loader's worker": "next(iter(torch.utils.data.DataLoader([image], num_workers=1, collate_fn=read_all)))",  # noqa: E501
        "python -c": "run_python('-c', f'open({str(image)!r})')",
        "python -c of its own child": "run_python('-c', f'import subprocess, sys; sys.exit(subprocess.call([sys.executable, \"-c\", \"open({str(image)!r})\"]))')",  # noqa: E501
    },
}

HIDDEN: Ways = {
    "C and C++ code that opens files": {
        "torchvision.io.read_file": "torchvision.io.read_file(str(image))",
        "torch.from_file": "torch.from_file(str(image), size=8, dtype=torch.uint8)",
        "sqlite3": "sqlite3.connect(f'file:{image}?mode=ro', uri=True).close()",
        "ctypes": "os.read(open_in_c(image), 8)",
        "os.sendfile of a descriptor that C opened": "os.sendfile(os.open(top / 'sent', os.O_WRONLY | os.O_CREAT), open_in_c(image), 0, 8)",  # noqa: E501
    },
    "Other programs": {
        "cat": "subprocess.run(['cat', image], check=True, capture_output=True)",
        "os.system": "assert os.system(f'cat {image} > /dev/null 2>&1') == 0",
        "os.popen": "assert read_pipe(f'cat {image} 2> /dev/null')",
        "cat after umount": "assert read_pipe(f'umount {sealed} 2> /dev/null; cat {image} 2> /dev/null')",
        "cat in further namespaces": "assert read_pipe(f'unshare -Urm sh -c \"umount {sealed}; cat {image}\" 2> /dev/null || cat {image} 2> /dev/null')",  # noqa: E501
        "cat through another process": "assert read_pipe(f'cat /proc/{os.getppid()}/root{image} 2> /dev/null')",
    },
    "Python that ignores the environment": {
        "python -I": "run_python('-I', '-c', f'open({str(image)!r})')",
        "python -E": "run_python('-E', '-c', f'open({str(image)!r})')",
        "python -S": "run_python('-S', '-c', f'open({str(image)!r})')",
        "another environment": "subprocess.run([sys.executable, '-c', f'open({str(image)!r})'], env={}, check=True, stderr=-3)",  # noqa: E501
    },
    "Sizes and names of single files": {
        "os.stat": "os.stat(image)",
        "os.access": "assert os.access(image, os.R_OK)",
    },
    "The seal itself": {
        "changing its rules": "seal_hook._EVENTS.clear(); open(image)",
    },
}

OUTSIDE: Ways = {
    "Copies and hard links under other names": {
        "a hard link made before": "open(top / 'hard-link.png')",
        "a renamed copy": "open(top / 'renamed.png')",
        "a copy of the folder elsewhere": "os.listdir(top / 'elsewhere' / 'test')",
        "an archive elsewhere": "tarfile.open(top / 'images.tar').extractfile('00000.png').read()",
    },
    "What was open before": {
        "a file that was open before": "os.pread(before_image, 8, 0)",
        "a map made before": "before_map[:8]",
    },
}


def flatten(ways: Ways) -> dict[str, str]:
    """The programs by name."""
    return {name: program for group in ways.values() for name, program in group.items()}


def render(ways: Ways) -> str:
    """The rows of a table in Markdown."""
    return "\n".join(f"| {group} | {'; '.join(names)} |" for group, names in ways.items())
