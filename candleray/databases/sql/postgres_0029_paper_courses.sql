-- The event of each run on paper up to which its orders are made, and told; and whether it was told that it makes none
-- any more.
CREATE TABLE paper_courses (
    run_id     uuid     PRIMARY KEY REFERENCES runs (run_id),
    done       bigint   NOT NULL,
    is_halted  boolean  NOT NULL DEFAULT false
);

CREATE FUNCTION refuse_move_back_of_course() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.done < OLD.done OR NEW.is_halted < OLD.is_halted THEN
        RAISE EXCEPTION 'the course of the run % does not move back', OLD.run_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER paper_courses_move_forward BEFORE UPDATE ON paper_courses
    FOR EACH ROW EXECUTE FUNCTION refuse_move_back_of_course();
