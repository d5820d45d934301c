// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda_on_cpu/fiber.hpp"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <memory>
#include <utility>

namespace moecal::cuda_on_cpu {
namespace {

// Room for a kernel's frames with sanitizer redzones and for throwing an exception on top of them.
constexpr std::size_t kStackBytes = 128 * 1024;

boost::context::preallocated whole(const boost::context::stack_context& stack) {
  return {stack.sp, stack.size, stack};
}

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_{std::move(body)} {
  boost::context::protected_fixedsize_stack allocator{kStackBytes};  // ends in a guard page
  const auto stack = allocator.allocate();
  own_stack_ = {static_cast<const char*>(stack.sp) - stack.size, stack.size};
  inside_ = boost::context::fiber{
      std::allocator_arg, whole(stack), allocator,
      [this](boost::context::fiber&& owner) { return run(std::move(owner)); }};
}

boost::context::fiber Fiber::run(boost::context::fiber&& owner) {
  owner_stack_ = entered_new_stack();
  owner_ = std::move(owner);
  body_();
  leave_stack_for_good(owner_stack_);
  for_races_.leave();
  return std::move(owner_);
}

void Fiber::resume() {
  const LeavingStack leaving{own_stack_};
  for_races_.enter();
  inside_ = std::move(inside_).resume();
}

void Fiber::suspend() {
  const LeavingStack leaving{owner_stack_};
  for_races_.leave();
  owner_ = std::move(owner_).resume();
}

}  // namespace moecal::cuda_on_cpu

// What ThreadSanitizer's runtime asks a program for. The first race ends it.
extern "C" const char* __tsan_default_options() { return "halt_on_error=1"; }
