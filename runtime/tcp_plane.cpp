// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/tcp_plane.hpp"

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

Rendezvous from_torchrun() {
  return {.rank = number("RANK", required("RANK", "WORLD_SIZE")),
          .size = number("WORLD_SIZE", required("WORLD_SIZE", "RANK")),
          .address = required("MASTER_ADDR", "WORLD_SIZE"),
          .port = number("MASTER_PORT", required("MASTER_PORT", "MASTER_ADDR"))};
}

Rendezvous from_slurm() {
  // Jobs that share a node differ in their number, so they rarely ask for the same port.
  constexpr int kFirstPort = 20'000;
  constexpr int kPorts = 20'000;
  Rendezvous place{.rank = number("SLURM_PROCID", required("SLURM_PROCID", "SLURM_NTASKS")),
                   .size = number("SLURM_NTASKS", required("SLURM_NTASKS", "SLURM_PROCID"))};
  place.address = variable("MASTER_ADDR").value_or("");
  if (place.address.empty())
    place.address = first_host(required("SLURM_STEP_NODELIST", "SLURM_PROCID"));
  const auto port = variable("MASTER_PORT");
  place.port =
      port ? number("MASTER_PORT", *port)
           : kFirstPort + number("SLURM_JOB_ID", required("SLURM_JOB_ID", "SLURM_PROCID")) % kPorts;
  return place;
}

}  // namespace

std::string first_host(const std::string& node_list) {
  const std::size_t bracket = node_list.find('[');
  const std::size_t comma = node_list.find(',');
  if (bracket == std::string::npos || comma < bracket) return node_list.substr(0, comma);
  const std::size_t end = node_list.find_first_of(",-]", bracket);
  return node_list.substr(0, bracket) + node_list.substr(bracket + 1, end - bracket - 1);
}

std::chrono::milliseconds timeout_from_environment() {
  const auto text = variable("MOECAL_TIMEOUT_S");
  return std::chrono::seconds{text ? number("MOECAL_TIMEOUT_S", *text) : 120};
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
