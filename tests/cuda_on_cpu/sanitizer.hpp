// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>

// What the sanitizers' runtimes want to be told when a program switches stacks by itself. The
// symbols are weak: they are null in a build without that sanitizer, so no #ifdef is needed.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): names of sanitizer/common_interface_defs.h.
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** own_fake_stack, const void* next_bottom,
                                                  std::size_t next_size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* own_fake_stack,
                                                   const void** previous_bottom,
                                                   std::size_t* previous_size);
// Of sanitizer/tsan_interface.h.
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
// NOLINTEND(bugprone-reserved-identifier)
}

namespace moecal::cuda_on_cpu {

inline bool built_with_address_sanitizer() { return __sanitizer_start_switch_fiber != nullptr; }

inline bool built_with_thread_sanitizer() { return __tsan_switch_to_fiber != nullptr; }

/// A fiber as ThreadSanitizer sees it: a thread of its own. Switching between two orders nothing
/// they do, so that what only the order of the emulation's turns keeps apart is a race; OrderPoint
/// says what the kernel's own barriers order.
class RaceDetectorFiber {
 public:
  RaceDetectorFiber() {
    if (built_with_thread_sanitizer()) self_ = __tsan_create_fiber(0);
  }
  ~RaceDetectorFiber() {
    if (self_ != nullptr) __tsan_destroy_fiber(self_);
  }
  RaceDetectorFiber(const RaceDetectorFiber&) = delete;
  RaceDetectorFiber& operator=(const RaceDetectorFiber&) = delete;

  /// Last thing before the stack is switched: to this fiber, and back to who switched to it.
  void enter() {
    if (self_ == nullptr) return;
    owner_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(self_, kOrdersNothing);
  }
  void leave() {
    if (self_ != nullptr) __tsan_switch_to_fiber(owner_, kOrdersNothing);
  }

 private:
  static constexpr unsigned kOrdersNothing = 1;
  void* self_ = nullptr;
  void* owner_ = nullptr;
};

/// What was done before before() was called is over for those that call after() later.
class OrderPoint {
 public:
  void before() {
    if (built_with_thread_sanitizer()) __tsan_release(&place_);
  }
  void after() {
    if (built_with_thread_sanitizer()) __tsan_acquire(&place_);
  }

 private:
  char place_ = 0;
};

/// A stack as AddressSanitizer sees it.
struct StackBounds {
  const void* bottom = nullptr;
  std::size_t size = 0;
};

/// Tells AddressSanitizer that the code between construction and destruction leaves the current
/// stack for `next` and comes back.
class LeavingStack {
 public:
  explicit LeavingStack(StackBounds next) {
    if (built_with_address_sanitizer())
      __sanitizer_start_switch_fiber(&fake_stack_, next.bottom, next.size);
  }
  ~LeavingStack() {
    if (built_with_address_sanitizer())
      __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
  }
  LeavingStack(const LeavingStack&) = delete;
  LeavingStack& operator=(const LeavingStack&) = delete;

 private:
  void* fake_stack_ = nullptr;
};

/// First thing on a new stack; returns the bounds of the stack it was entered from.
inline StackBounds entered_new_stack() {
  StackBounds previous;
  if (built_with_address_sanitizer())
    __sanitizer_finish_switch_fiber(nullptr, &previous.bottom, &previous.size);
  return previous;
}

/// Last thing on a stack that is never returned to.
inline void leave_stack_for_good(StackBounds next) {
  if (built_with_address_sanitizer())
    __sanitizer_start_switch_fiber(nullptr, next.bottom, next.size);
}

}  // namespace moecal::cuda_on_cpu
