// The explorer of crash states: see docs/reliability.md, and --help.
#include <fcntl.h>
#include <getopt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

#include "tests/torture/explorer.h"
#include "tests/torture/scene.h"

namespace sealring::torture {
namespace {

constexpr const char* kHelp =
    R"(usage: crash_states [--scene NAME]... [--states N] [--seed S] [--scratch DIR] [--failed DIR]
       crash_states --trace FILE [--state POINT:VARIANT [--keep DIR]] [--states N] [--seed S]

Records what a gateway writes in each scene, makes states that a power cut may leave of it, and opens each with the
real code. Exit 1: one of them lost something, or could not be opened.

  --states N      over all scenes, about (2400)
  --jobs N        processes (1)
  --seed S        of the selection; by default from the clock
  --scratch DIR   in memory, with room for 400 MiB (/dev/shm)
  --failed DIR    where the trace of a scene with failures is kept (.)
  --trace FILE    one that was kept
  --state P:V     only this one of it, with all that the program prints
  --keep DIR      and a copy of the state's folder from before
  --unsynced NAME take syncs of the file or folder NAME for lies (store/journal, store/ring.lmdb, store)
  --expect-failure  exit 0 when something was found, else 1
  --class NAME    legal, bytes or words; may be repeated; otherwise all of them, 80, 10 and 10 %
  --list          only what waits for a sync at each crash point
  --loud          with what the programs under test print
)";

struct Options {
  std::vector<std::string> scenes;
  Exploring exploring;
  std::string scratch = "/dev/shm", failed = ".", trace;
  bool expect_failure = false;
};

[[noreturn]] void usage(int code) {
  (code == 0 ? std::cout : std::cerr) << kHelp;
  std::exit(code);
}

bool choose(Exploring& exploring, const std::set<std::string>& classes) {
  double sum = 0;
  for (int i = 0; i < 3; ++i) {
    if (!classes.empty() && classes.count(kClassNames[i]) == 0) exploring.parts[i] = 0;
    sum += exploring.parts[i];
  }
  for (double& part : exploring.parts) part /= sum;
  return sum > 0;
}

Options parse(int argc, char** argv) {
  Options out;
  out.exploring.states = 2400;
  out.exploring.seed =
      static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count() / 1000000 % 1000000);
  const option known[] = {
      {"scene", 1, nullptr, 's'},    {"states", 1, nullptr, 'n'},         {"seed", 1, nullptr, 'r'},
      {"jobs", 1, nullptr, 'j'},     {"scratch", 1, nullptr, 'd'},        {"failed", 1, nullptr, 'f'},
      {"trace", 1, nullptr, 't'},    {"state", 1, nullptr, 'o'},          {"keep", 1, nullptr, 'k'},
      {"unsynced", 1, nullptr, 'u'}, {"expect-failure", 0, nullptr, 'e'}, {"loud", 0, nullptr, 'l'},
      {"class", 1, nullptr, 'c'},    {"list", 0, nullptr, 'i'},           {"help", 0, nullptr, 'h'},
      {nullptr, 0, nullptr, 0}};
  std::set<std::string> classes;
  for (int c = 0; (c = ::getopt_long(argc, argv, "", known, nullptr)) >= 0;) {
    const std::string value = optarg != nullptr ? optarg : "";
    switch (c) {
      case 's':
        out.scenes.push_back(value);
        break;
      case 'n':
        out.exploring.states = std::stoull(value);
        break;
      case 'r':
        out.exploring.seed = std::stoull(value);
        break;
      case 'd':
        out.scratch = value;
        break;
      case 'f':
        out.failed = value;
        break;
      case 't':
        out.trace = value;
        break;
      case 'o':
        if (value.find(':') == std::string::npos) usage(2);
        out.exploring.only = Failure{std::stoull(value), std::stoull(value.substr(value.find(':') + 1)), ""};
        out.exploring.loud = true;
        break;
      case 'k':
        out.exploring.keep = value;
        break;
      case 'u':
        out.exploring.unsynced_name = value;
        break;
      case 'e':
        out.expect_failure = true;
        break;
      case 'j':
        out.exploring.jobs = std::max<std::size_t>(1, std::stoull(value));
        break;
      case 'i':
        out.exploring.list = true;
        break;
      case 'c':
        classes.insert(value);
        break;
      case 'l':
        out.exploring.loud = true;
        break;
      case 'h':
        usage(0);
      default:
        usage(2);
    }
  }
  if (optind != argc) usage(2);
  if (!choose(out.exploring, classes)) usage(2);
  return out;
}

// In a process of its own: its threads and open stores end with it.
bool record(const Scene& scene, const std::string& scratch, const std::string& path, bool loud) {
  const std::string root = scratch + "/scene";
  std::filesystem::remove_all(root);
  std::filesystem::create_directory(root);
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) ::_exit(1);
    if (!loud) ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
    scene.play(root, fd);
    ::_exit(0);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  std::filesystem::remove_all(root);
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Of all processes.
struct Totals {
  std::atomic<std::uint64_t> states[3], good[3], refused[3], failures;
};

void print(const std::string& name, const Explored& done, Totals& totals) {
  std::uint64_t states = 0;
  for (const Count& c : done.counts) states += c.states;
  std::string text;
  char line[400];
  std::snprintf(line, sizeof line, "%-9s %5zu crash points, %6llu states in %.1f s (%.0f a second)\n", name.c_str(),
                done.points, static_cast<unsigned long long>(states), done.seconds,
                static_cast<double>(states) / done.seconds);
  text += line;
  for (int i = 0; i < 3; ++i) {
    const Count& c = done.counts[i];
    totals.states[i] += c.states;
    totals.good[i] += c.good;
    totals.refused[i] += c.refused;
    std::snprintf(line, sizeof line, "          %s: %llu, good %llu, refused %llu, wrong %llu, killed %llu\n",
                  kClassNames[i], static_cast<unsigned long long>(c.states), static_cast<unsigned long long>(c.good),
                  static_cast<unsigned long long>(c.refused), static_cast<unsigned long long>(c.wrong),
                  static_cast<unsigned long long>(c.killed));
    text += line;
  }
  for (const auto& [words, times] : done.refusals)
    text += "          refused " + std::to_string(times) + " times: " + words + "\n";
  std::cout << text << std::flush;
}

void print_failures(const std::string& kept, const Exploring& exploring, const Explored& done) {
  for (const Failure& f : done.failures)
    std::cout << "FAILED  crash_states --trace " << kept << " --seed " << exploring.seed << " --state " << f.point
              << ":" << f.variant << "\n    " << f.words << "\n";
  std::cout << std::flush;
}

void explore_trace(const std::string& name, const std::string& path, const Exploring& exploring,
                   const std::string& failed, Totals& totals) {
  const auto trace = Trace::load(path);
  if (!trace) {
    std::cerr << trace.error().message << "\n";
    ++totals.failures;
    return;
  }
  const Explored done = explore(*trace, exploring);
  totals.failures += done.failures.size();
  print(name, done, totals);
  if (done.failures.empty()) return;
  std::string kept = path;
  if (!failed.empty()) {
    kept = failed + "/crash-" + name + ".trace";
    std::filesystem::create_directories(failed);
    std::filesystem::copy_file(path, kept, std::filesystem::copy_options::overwrite_existing);
  }
  print_failures(kept, exploring, done);
}

// In as many processes as there are jobs.
void explore_in_jobs(const Scene& scene, const std::string& path, Exploring exploring, const Options& options,
                     Totals& totals) {
  std::vector<pid_t> children;
  std::cout.flush();
  for (exploring.job = 0; exploring.job < exploring.jobs; ++exploring.job) {
    const pid_t child = ::fork();
    SEALRING_ASSERT(child >= 0);
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    exploring.place += std::to_string(exploring.job);
    explore_trace(scene.name, path, exploring, options.failed, totals);
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) ++totals.failures;
  }
}

void run(Options& options, const std::string& scratch, Totals& totals) {
  options.exploring.place = scratch + "/states";
  if (!options.trace.empty()) return explore_trace("trace", options.trace, options.exploring, "", totals);
  unsigned shares = 0;
  std::vector<const Scene*> chosen;
  for (const Scene& scene : scenes())
    if (options.scenes.empty() ||
        std::find(options.scenes.begin(), options.scenes.end(), scene.name) != options.scenes.end())
      chosen.push_back(&scene), shares += scene.share;
  if (chosen.empty()) usage(2);
  for (const Scene* scene : chosen) {
    const std::string path = scratch + "/" + scene->name + ".trace";
    if (!record(*scene, scratch, path, options.exploring.loud)) {
      std::cerr << "scene " << scene->name << " could not be recorded\n";
      ++totals.failures;
      continue;
    }
    Exploring exploring = options.exploring;
    exploring.states = options.exploring.states * scene->share / shares;
    explore_in_jobs(*scene, path, exploring, options, totals);
    std::filesystem::remove(path);
  }
}

// The exit code.
int run(Options& options) {
  const auto began = std::chrono::steady_clock::now();
  const std::string scratch = options.scratch + "/crash_states-" + std::to_string(::getpid());
  std::filesystem::create_directory(scratch);
  void* map = ::mmap(nullptr, sizeof(Totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SEALRING_ASSERT(map != MAP_FAILED);
  Totals& totals = *static_cast<Totals*>(map);
  std::cout << "seed " << options.exploring.seed << "\n";
  run(options, scratch, totals);
  std::error_code error;
  std::filesystem::remove_all(scratch, error);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const std::uint64_t failures = totals.failures;
  for (int i = 0; i < 3; ++i)
    std::cout << kClassNames[i] << ": " << totals.states[i] << " states, good " << totals.good[i] << ", refused "
              << totals.refused[i] << "\n";
  std::cout << totals.states[0] + totals.states[1] + totals.states[2] << " states in " << static_cast<int>(seconds)
            << " s, seed " << options.exploring.seed << ": " << failures << " failed\n";
  if (!options.expect_failure) return failures > 0 ? 1 : 0;
  std::cout << (failures > 0 ? "found, as it must be\n" : "NOTHING FOUND, although the disk lied\n");
  return failures > 0 ? 0 : 1;
}

}  // namespace
}  // namespace sealring::torture

int main(int argc, char** argv) {
  using namespace sealring::torture;
  // Memory in large pages and never given back: most of a state's time would be page faults. Read at the start only.
  if (::setenv("GLIBC_TUNABLES",
               "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=4294967296:"
               "glibc.malloc.top_pad=16777216:glibc.malloc.hugetlb=1",
               0) == 0 &&
      ::getenv("CRASH_STATES_AGAIN") == nullptr) {
    ::setenv("CRASH_STATES_AGAIN", "1", 1);
    ::execv("/proc/self/exe", argv);
  }
  Options options = parse(argc, argv);
  return run(options);
}
