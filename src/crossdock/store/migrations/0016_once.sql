-- That what was asked with an idempotency key is done, noted in the transaction that does it: whoever asks again after the
-- process was killed before it could keep its answer gets an answer, and nothing is done twice.

alter table crossdock.api_answer add column done text;  -- what was done, or made: its id; null: nothing is done yet
