// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/tcp_plane.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace moecal {
namespace {

std::optional<std::string> variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? std::nullopt : std::optional<std::string>{text};
}

std::string required(const char* name, const char* beside) {
  const auto text = variable(name);
  if (!text)
    throw InvalidInput{std::string{beside} + " is set but " + name +
                       " is not: ranks cannot find one another"};
  return *text;
}

int number(const char* name, const std::string& text) {
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value < 0)
    throw InvalidInput{std::string{name} + " is \"" + text + "\", not a whole number"};
  return value;
}

/// $MOECAL_PORT, else the master's. torchrun's own agent may listen on MASTER_PORT to this very
/// launch: then the next one, by the same rule on every rank.
int port_beside(const std::string& master_port) {
  if (const auto own = variable("MOECAL_PORT")) return number("MOECAL_PORT", *own);
  const int port = number("MASTER_PORT", master_port);
  return variable("TORCHELASTIC_USE_AGENT_STORE") == "True" ? port + 1 : port;
}

Rendezvous from_torchrun() {
  return {.rank = number("RANK", required("RANK", "WORLD_SIZE")),
          .size = number("WORLD_SIZE", required("WORLD_SIZE", "RANK")),
          .address = required("MASTER_ADDR", "WORLD_SIZE"),
          .port = port_beside(required("MASTER_PORT", "MASTER_ADDR"))};
}

/// Slurm sets a rank's variables in a batch script too, for the one process that runs the script.
/// Those of an interactive shell are of a step of its own.
void check_started_by_srun(int size) {
  const auto step = variable("SLURM_STEP_ID");
  const bool script = !step || *step == "4294967291";  // SLURM_BATCH_SCRIPT of slurm.h
  if (size > 1 && script)
    throw InvalidInput{"this process runs in a Slurm batch script, not as one of the job's " +
                       std::to_string(size) + " tasks: start it with srun, or with mpirun"};
}

int slurm_port() {
  // Jobs that share a node differ in their number, so they rarely ask for the same port.
  constexpr int kFirstPort = 20'000;
  constexpr int kPorts = 20'000;
  if (const auto port = variable("MASTER_PORT")) return port_beside(*port);
  if (variable("MOECAL_PORT")) return port_beside("0");
  return kFirstPort + number("SLURM_JOB_ID", required("SLURM_JOB_ID", "SLURM_PROCID")) % kPorts;
}

Rendezvous from_slurm() {
  const auto tasks = variable("SLURM_STEP_NUM_TASKS");  // of srun; the job may have more
  Rendezvous place{.rank = number("SLURM_PROCID", required("SLURM_PROCID", "SLURM_NTASKS")),
                   .size = tasks ? number("SLURM_STEP_NUM_TASKS", *tasks)
                                 : number("SLURM_NTASKS", variable("SLURM_NTASKS").value_or("1"))};
  check_started_by_srun(place.size);
  if (place.size == 1) return place;
  place.address = variable("MASTER_ADDR").value_or("");
  if (place.address.empty())
    place.address = first_host(required("SLURM_STEP_NODELIST", "SLURM_PROCID"));
  place.port = slurm_port();
  return place;
}

}  // namespace

std::string first_host(const std::string& node_list) {
  std::string host;
  std::size_t at = 0;
  while (at < node_list.size() && node_list[at] != ',') {
    if (node_list[at] != '[') {
      host += node_list[at++];
      continue;
    }
    const std::size_t first_end = std::min(node_list.find_first_of(",-]", at), node_list.size());
    host += node_list.substr(at + 1, first_end - at - 1);
    at = std::min(node_list.find(']', at), node_list.size() - 1) + 1;
  }
  return host;
}

std::chrono::milliseconds timeout_from_environment() {
  const auto text = variable("MOECAL_TIMEOUT_S");
  const int seconds = text ? number("MOECAL_TIMEOUT_S", *text) : 120;
  if (seconds == 0)
    throw InvalidInput{"MOECAL_TIMEOUT_S is 0: ranks wait for one another at least 1 s"};
  return std::chrono::seconds{seconds};
}

std::optional<Rendezvous> rendezvous_from_environment() {
  const bool torchrun = variable("RANK") || variable("WORLD_SIZE");
  if (!torchrun && !variable("SLURM_PROCID")) return std::nullopt;
  Rendezvous place = torchrun ? from_torchrun() : from_slurm();
  place.timeout = timeout_from_environment();
  if (place.size < 1 || place.rank >= place.size)
    throw InvalidInput{"this process is rank " + std::to_string(place.rank) + " of " +
                       std::to_string(place.size) + ": ranks count from 0"};
  return place;
}

std::unique_ptr<ControlPlane> make_tcp_plane(const Rendezvous& place) {
  const Socket listener = place.rank == 0 ? listen_on(place.port) : Socket{};
  return make_star_plane(meet(place, listener, {}));
}

}  // namespace moecal
