// The seeded simulator: see `simulator --help` and docs/reliability.md.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <random>

#include "drivers/diag.h"
#include "gateway/new_store.h"
#include "tests/torture/sim_world.h"

namespace sealring::sim {
namespace {

constexpr std::uint64_t kMostSteps = 500;
constexpr std::size_t kDropBytes = 4000;  // of a payload

struct Options {
  std::uint64_t first = 0, count = 300;
  unsigned jobs = 1;
  bool verbose = false;
  std::string folder = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
};

struct Image {
  std::string folder;
  Hash genesis{};
};

std::string payload(std::uint64_t number, bool alike, std::size_t bytes) {
  std::string text = alike ? "the same for all" : "message " + std::to_string(number);
  text.resize(std::max(kMarked, bytes), '.');
  return text;
}

Plan new_plan() {
  Plan plan;
  plan.drop = chance(25);
  const std::uint64_t kind = random_below(6);
  if (!plan.drop && kind < 2) plan.damage = kind == 0 ? Plan::Damage::journal : Plan::Damage::bit;
  // What a lost journal had of a rotation, files of the store say, too: such a store is refused.
  plan.rotation = plan.damage != Plan::Damage::journal && chance(30);
  return plan;
}

void between_starts(World& world, const Plan& plan) {
  if (world.gateway_runs()) return;
  if (plan.rotation && chance(40)) world.prepare_rotation();
  if (plan.damage != Plan::Damage::none && chance(40)) world.do_damage();
}

// Often it is killed in the middle of what that start has to record.
void start(World& world) {
  const bool rotates = world.rotation_is_due();
  world.start_gateway();
  if (!rotates || chance(40)) return;
  sleep_ms(static_cast<std::int64_t>(random_below(100)));
  world.kill_gateway();
}

void act(World& world, const Plan& plan, std::uint64_t& number, std::size_t bytes) {
  // Where the ring is full, so much that it drops what goes up just now.
  const std::uint64_t most = plan.drop && chance(50) ? 300 : chance(10) ? 120 : 12;
  for (std::uint64_t i = random_below(most); i > 0; --i) {
    const bool alike = !plan.drop && chance(30);
    world.broker.publish(payload(number++, alike, alike ? kMarked : bytes));
  }
  if (chance(8)) world.online = !world.online;
  if (chance(4)) step_wall_clock((static_cast<std::int64_t>(random_below(200000)) - 100000) * 1000000);
  if (world.gateway_runs() && chance(7)) world.kill_gateway();
  if (world.gateway_runs() && chance(3)) world.stop_gateway();
  between_starts(world, plan);
  if (!world.gateway_runs() && chance(60)) start(world);
  if (world.collector_runs() && chance(6)) world.kill_collector();
  if (!world.collector_runs() && chance(40)) world.start_collector();
  if (world.gateway_runs() && chance(10)) world.reconnect();
  sleep_ms(static_cast<std::int64_t>(random_below(chance(10) ? 60000 : chance(50) ? 40 : 700)));
}

// Nobody takes what is sealed, until the ring has dropped something of it; kills on the way, half of them right there.
void fill(World& world, const Plan& plan, std::uint64_t& number) {
  world.online = false;
  if (!world.gateway_runs()) world.start_gateway();
  for (std::uint64_t drops = 1 + random_below(3), step = 0; drops > 0; ++step) {
    if (step > kMostSteps) break;  // where segments have become small it is as with "block"
    const std::size_t before = world.losses();
    for (std::uint64_t i = random_below(200); i > 0; --i) world.broker.publish(payload(number++, false, kDropBytes));
    for (std::uint64_t ms = random_below(400); ms > 0 && world.losses() == before; --ms) sleep_ms(1);
    const bool dropped = world.losses() != before;
    drops -= dropped;
    if (dropped) sleep_ms(static_cast<std::int64_t>(random_below(60)));
    if (chance(dropped ? 50 : 3)) world.kill_gateway();
    if (world.gateway_runs() && chance(2)) world.stop_gateway();
    between_starts(world, plan);
    while (!world.gateway_runs()) start(world);
  }
  world.online = true;
}

// In a process of its own, which it ends: what was killed in it stays where it was.
[[noreturn]] void play(std::uint64_t seed, const Image& image, const std::string& folder, bool verbose) {
  set_diag_level(verbose ? DiagLevel::debug : DiagLevel::error);
  begin(seed);
  const Plan plan = new_plan();
  World world(image.folder, folder, plan, image.genesis);
  world.start_collector();
  world.start_gateway();
  std::uint64_t number = 0;
  const std::size_t some = chance(5) ? 300000 : kMarked + random_below(chance(20) ? 60000 : 400);
  const std::size_t bytes = plan.drop ? kDropBytes : some;
  for (std::uint64_t rounds = plan.drop ? 1 + random_below(2) : 1; rounds > 0; --rounds) {
    if (plan.drop) fill(world, plan, number);
    for (std::uint64_t step = 20 + random_below(60); step > 0; --step) act(world, plan, number, bytes);
  }
  world.drain(payload(number++, false, bytes));
  world.stop_gateway();
  world.check_archive();
  if (verbose)
    std::printf("seed %llu: %llu messages, %zu kills, %lld s; %s\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(number), world.kills, static_cast<long long>(now_ns() / 1000000000),
                world.story().c_str());
  std::fflush(nullptr);
  std::_Exit(0);
}

Image new_image(const std::string& folder) {
  Image image{folder + "/image", {}};
  const auto identity = SoftwareSigner::from_seed(Bytes(32, 'i'));
  const auto made =
      create_store({kOrigin, 64u << 20, "sealring simulator"}, image.folder, (*identity)->public_key(), SystemClock());
  if (!made) fail("image: " + made.error().message);
  image.genesis = *made;
  return image;
}

int run(const Options& options) {
  std::string folder = options.folder + "/sealring-simulator-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) fail("cannot make " + folder);
  const Image image = new_image(folder);
  std::map<pid_t, std::uint64_t> running;
  std::uint64_t next = options.first, done = 0, failed = 0;
  while (done < options.count) {
    while (running.size() < options.jobs && next < options.first + options.count) {
      const std::string place = folder + "/" + std::to_string(next);
      const pid_t pid = ::fork();
      if (pid < 0) fail("cannot fork");
      if (pid == 0) {
        std::filesystem::create_directories(place);
        play(next, image, place, options.verbose);
      }
      running.emplace(pid, next++);
    }
    int status = 0;
    const pid_t ended = ::wait(&status);
    const auto one = running.find(ended);
    if (one == running.end()) continue;
    const std::uint64_t seed = one->second;
    running.erase(one);
    std::filesystem::remove_all(folder + "/" + std::to_string(seed));
    ++done;
    if (status != 0) {
      ++failed;
      std::fprintf(stderr, "seed %llu failed (%s %d); again: simulator --first %llu --seeds 1 --verbose\n",
                   static_cast<unsigned long long>(seed), WIFSIGNALED(status) ? "signal" : "exit code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), static_cast<unsigned long long>(seed));
    }
  }
  std::filesystem::remove_all(folder);
  std::printf("seeds %llu to %llu: %llu failed\n", static_cast<unsigned long long>(options.first),
              static_cast<unsigned long long>(options.first + options.count - 1),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sealring::sim

int main(int argc, char** argv) {
  sealring::sim::Options options;
  options.first = std::random_device{}();
  CLI::App app{
      "Recorder, ring, forwarder and collector, real ones, in one process on a clock, a network and a scheduler\n"
      "of a seed's making, with kills of both; all that was published must be archived once."};
  app.add_option("--first", options.first, "first seed; by default a random one, which is printed");
  app.add_option("--seeds", options.count, "how many");
  app.add_option("--jobs", options.jobs, "processes at a time");
  app.add_option("--folder", options.folder, "where stores and archives are made");
  app.add_flag("--verbose", options.verbose, "diagnostics of the gateway and the collector");
  CLI11_PARSE(app, argc, argv);
  return sealring::sim::run(options);
}
